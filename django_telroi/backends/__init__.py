"""Ways of calling, each behind one contract and chosen by dotted path, like Django's mail."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends.base import Backend
from django_telroi.backends.failures import log_failure
from django_telroi.backends.test_runs import REFUSED, would_ring_from_test_run
from django_telroi.domain.codes import CodeLength
from django_telroi.errors import Misconfigured

__all__ = [
    "Backend",
    "chosen_class",
    "get_backend",
    "is_own_backend",
    "judges_by_number",
    "spoken_length",
    "uses_telroi",
]

LONGEST_DIGEST = 64
"""Characters: the column that remembers which key was refused."""

logger = logging.getLogger("django_telroi")


def get_backend() -> Backend:
    """The backend that the site chose. Raises Misconfigured, and logs why.

    In a test run, LocmemBackend replaces a backend of the settings file that would ring phones, and
    ImproperlyConfigured is raised for one that a test chose. The message is for the developer.
    """
    factory = _chosen()
    if factory is None:
        raise _misconfigured("backend_not_importable")
    _refuse_in_test_run(factory)
    try:
        backend: object = factory()
        has_digest = _is_digest(getattr(backend, "key_digest", None))
    except Misconfigured:
        if not uses_telroi():  # Telroi's own backend has logged a closer reason
            logger.error("misconfigured reason=backend_settings")
        raise
    except Exception as error:
        if isinstance(error, ImproperlyConfigured) and conf.is_test_run():
            raise
        log_failure(error)
        raise _misconfigured("backend_failed") from None
    _refuse_in_test_run(backend)
    if isinstance(backend, Backend) and has_digest:
        return backend
    raise _misconfigured("no_backend")


def spoken_length(asked: int) -> CodeLength:
    """What is known of the length of a code of which ``asked`` digits were asked for.

    It makes no backend, so it needs no key.
    """
    factory = _chosen()
    if isinstance(factory, type) and issubclass(factory, Backend):
        try:
            length = factory.spoken_length(asked)
            if 4 <= length.expected <= length.longest <= 10:
                return length
        except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
            log_failure(error)
    return Backend.spoken_length(asked)


def uses_telroi() -> bool:
    """Whether Telroi places the calls: through our backend, or through a subclass of it that the site wrote."""
    from django_telroi.backends.telroi import TelroiBackend

    return issubclass(chosen_class(), TelroiBackend)


def is_own_backend() -> bool:
    """Whether the site wrote the backend, for another provider: Telroi's key and limits are not used then."""
    chosen = chosen_class()
    return issubclass(chosen, Backend) and not chosen.__module__.startswith(f"{__name__}.") and not uses_telroi()


def judges_by_number() -> bool:
    """Whether the backend can check a code for a call whose id is unknown. It makes no backend."""
    return bool(getattr(chosen_class(), "judges_by_number", True))


def chosen_class() -> type:
    """The class that the site chose; ``object`` if the path leads to no class."""
    chosen = _chosen()
    return chosen if isinstance(chosen, type) else object


def _chosen() -> Any:
    """What ``BACKEND`` leads to, None if it cannot be imported. In a test run the settings file rings no phones."""
    found = _imported(conf.backend_path())
    if conf.is_settings_file() and would_ring_from_test_run(found):
        return _imported(conf.LOCMEM_BACKEND)
    return found


def _refuse_in_test_run(backend: object) -> None:
    if would_ring_from_test_run(backend):
        raise ImproperlyConfigured(REFUSED)


def _imported(path: str) -> Any:
    """What the path leads to; None if that cannot be imported, whatever its module raises."""
    try:
        return import_string(path)
    except Exception:  # noqa: BLE001
        return None


def _is_digest(digest: object) -> bool:
    """Whether every database keeps it: MariaDB may be set up for characters of at most three bytes."""
    if not isinstance(digest, str) or len(digest) > LONGEST_DIGEST:
        return False
    return digest.isprintable() and max(digest, default="") <= "\uffff"


def _misconfigured(reason: str) -> Misconfigured:
    logger.error("misconfigured reason=%s", reason)
    return Misconfigured()
