"""Turn this process into the site of one contestant, which the environment variable PEERS_CONTESTANT names."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from contestants import BY_NAME

URLS = "peers_urls"


def set_up() -> tuple[ModuleType, Callable[..., Any]]:
    """Return the module of the site and its WSGI application."""
    site = import_module(f"sites.{BY_NAME[os.environ['PEERS_CONTESTANT']].site}")
    if not hasattr(site, "settings"):
        return site, site.application
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application

    settings.configure(ROOT_URLCONF=URLS, **site.settings())
    django.setup()
    urls = ModuleType(URLS)
    urls.urlpatterns = site.urls()  # type: ignore[attr-defined]
    sys.modules[URLS] = urls
    return site, get_wsgi_application()
