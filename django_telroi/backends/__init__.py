"""Backends place calls and check codes. All have one contract. ``BACKEND`` is a dotted path, as for Django's mail."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.backends.base import REFUSED, Backend, KeyInUse, log_failure, would_ring_from_test_run
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import Misconfigured

__all__ = [
    "NO_KEY",
    "Backend",
    "KeyInUse",
    "are_calls_placed_here",
    "chosen_class",
    "get_backend",
    "is_own_backend",
    "judges_by_number",
    "key_of",
    "spoken_length",
    "uses_telroi",
]

NO_KEY = KeyInUse("", "")
"""Stands for the key of a call whose key is not chosen yet. It is never paused."""

MAX_DIGEST_LENGTH = 64
"""Characters. The database column that stores the digest of a refused key has this length."""

logger = logging.getLogger("django_telroi")


def get_backend(key_name: str = conf.DEFAULT_KEY) -> Backend:
    """Return a new instance of the site's backend. Raises Misconfigured and logs the reason if that fails.

    ``key_name``: the name of the key that it uses. If the settings have no key of this name, Misconfigured is raised:
    no other key is used.

    In a test run, LocmemBackend replaces a backend of the settings file that would call phones. If a test itself set
    such a backend, ImproperlyConfigured is raised, with a message for the developer.
    """
    factory = _load_configured()
    if factory is None:
        raise _log_misconfigured("backend_not_importable")
    # Twice: the class first, so that a constructor of the site does not run if the calls would ring. Then the instance,
    # because ``BACKEND`` may name a function that returns it.
    _refuse_in_test_run(factory)
    try:
        backend: object = _create(factory, key_name)
        # Every database must be able to store the digest. MariaDB may be configured for characters of at most three
        # bytes. Inside the ``try``, because ``key_digest`` may be a property of the site.
        digest = getattr(backend, "key_digest", None)
        has_digest = (
            isinstance(digest, str)
            and len(digest) <= MAX_DIGEST_LENGTH
            and digest.isprintable()
            and max(digest, default="") <= "\uffff"
        )
    except Misconfigured:
        if not uses_telroi():  # TelroiBackend has already logged a more exact reason
            logger.error("misconfigured reason=backend_settings")
        raise
    except Exception as error:
        if isinstance(error, ImproperlyConfigured) and conf.is_test_run():
            raise
        # ``from None``: the text of the error may contain a key.
        log_failure(error)
        raise _log_misconfigured("backend_failed") from None
    _refuse_in_test_run(backend)
    if isinstance(backend, Backend) and has_digest:
        if vars(backend).get("key_name", key_name) != key_name:
            raise _log_misconfigured("key_not_used")  # a constructor that ignores the name: see telroi.E017
        backend.key_name = key_name
        return backend
    raise _log_misconfigured("no_backend")


def _create(factory: Any, key_name: str) -> object:
    if key_name != conf.DEFAULT_KEY:
        if not conf.has_named_keys():
            raise _log_misconfigured("no_key")  # ``API_KEYS`` was removed
        if isinstance(factory, type) and issubclass(factory, Backend):
            return factory.for_key(key_name)
    return factory()


def key_of(backend: Backend) -> KeyInUse:
    """Return the name and the digest of the key that ``backend`` uses."""
    return KeyInUse(backend.key_name, backend.key_digest)


def are_calls_placed_here() -> bool:
    """Return whether the process that got a request must place its call, because the backend keeps codes in memory.

    Returns False if the backend cannot be created: a worker reports that.
    """
    chosen = _load_configured()
    try:
        kind = chosen if isinstance(chosen, type) else type(get_backend())
    except Misconfigured:
        return False
    return not getattr(kind, "rings", True)


def spoken_length(asked: int) -> CodeLength:
    """Return what the backend says about the length of a code for which ``asked`` digits are requested.

    It creates no instance, so it needs no key. If the backend's own answer is invalid, return that of ``Backend``.
    """
    factory = _load_configured()
    if isinstance(factory, type) and issubclass(factory, Backend):
        try:
            length = factory.spoken_length(asked)
            if 4 <= length.expected <= length.longest <= 10:
                return length
        except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
            log_failure(error)
    return Backend.spoken_length(asked)


def uses_telroi() -> bool:
    """Whether Telroi places the calls, through ``TelroiBackend`` or a subclass of it."""
    from django_telroi.backends.telroi import TelroiBackend

    return issubclass(chosen_class(), TelroiBackend)


def is_own_backend() -> bool:
    """Whether the site wrote the backend, for another provider. Then Telroi's key and limits are not used."""
    chosen = chosen_class()
    return issubclass(chosen, Backend) and not chosen.__module__.startswith(f"{__name__}.") and not uses_telroi()


def judges_by_number() -> bool:
    """Whether the backend can check a code for a call whose id is unknown. It creates no instance."""
    # The default is that of ``Backend``, for a path that names no class.
    return bool(getattr(chosen_class(), "judges_by_number", True))


def chosen_class() -> type:
    """Return the class of the site's backend, or ``object`` if ``BACKEND`` is not the path of a class."""
    chosen = _load_configured()
    return chosen if isinstance(chosen, type) else object


def _load_configured() -> Any:
    """Return the object at the path ``BACKEND``, or None if it cannot be imported.

    In a test run, return LocmemBackend instead if the settings file names a backend that would call phones.
    """
    configured = import_or_none(conf.backend_path())
    if conf.is_settings_file() and would_ring_from_test_run(configured):
        return import_or_none(conf.LOCMEM_BACKEND)
    return configured


def _refuse_in_test_run(backend: object) -> None:
    if would_ring_from_test_run(backend):
        raise ImproperlyConfigured(REFUSED)


def import_or_none(path: str) -> Any:
    """Return the object at the dotted path, or None if it cannot be imported."""
    try:
        return import_string(path)
    except Exception:  # noqa: BLE001 - a module of the site may raise anything
        return None


def _log_misconfigured(reason: str) -> Misconfigured:
    logger.error("misconfigured reason=%s", reason)
    return Misconfigured()
