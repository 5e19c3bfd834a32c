"""Ways of calling, each behind one contract and chosen by dotted path, like Django's mail."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends.base import Backend
from django_telroi.errors import Misconfigured

__all__ = ["Backend", "get_backend"]

logger = logging.getLogger("django_telroi")


def get_backend() -> Backend:
    """The backend that the site chose. Raises Misconfigured, and logs why."""
    path = conf.backend_path()
    try:
        factory = import_string(path)
    except ImportError:
        logger.error("misconfigured reason=backend_not_importable")
        raise Misconfigured from None
    backend: Backend = factory()
    return backend
