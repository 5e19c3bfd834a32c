"""Ways of calling, each behind one contract and chosen by dotted path, like Django's mail."""

from __future__ import annotations

import logging

from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends.base import Backend
from django_telroi.domain.codes import CodeLength
from django_telroi.errors import Misconfigured

__all__ = ["Backend", "get_backend", "spoken_length"]

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


def spoken_length() -> CodeLength:
    """What is known of the length of this site's codes. It makes no backend, so it needs no key."""
    asked = conf.code_length()
    try:
        factory = import_string(conf.backend_path())
    except ImportError:
        factory = None
    is_backend = isinstance(factory, type) and issubclass(factory, Backend)
    return (factory if is_backend else Backend).spoken_length(asked)
