"""A project with django-tenants on PostgreSQL, made of the settings of the page about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests import settings as stock
from tests.docs_blocks import blocks_of_page

PROJECT = Path(__file__).parent / "project"
sys.path.insert(0, str(PROJECT))

_names: dict[str, Any] = {name: getattr(stock, name) for name in dir(stock) if name.isupper()}
_names |= {"TELROI": {}, "DATABASES": {"default": stock.ENGINES["postgres"]()}}
for _block in blocks_of_page("integrations/tenants.rst"):
    if _block.file == "settings.py":
        exec(_block.body, _names)
globals().update({name: value for name, value in _names.items() if name.isupper()})
ROOT_URLCONF = "mysite.urls"
ALLOWED_HOSTS = [".example.com"]
