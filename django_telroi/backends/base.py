"""The contract of a backend, the log of one that raised an exception outside of it, and the guard of test runs.

Test runs never call a phone, with any settings. A site's test suite needs no change to be safe, as with Django's mail.
A test of a real backend starts a provider on this machine.

``docs/howto/backends.rst`` contains a complete example. ``django_telroi.testing.BackendContract`` tests a backend. See
"A call" and "A code" in docs/explanation/how.rst for what each error of a backend does.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import PurePath
from traceback import walk_tb
from typing import ClassVar, Self
from urllib.parse import urlsplit

from django_telroi import conf
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.conf.key_settings import DEFAULT_KEY
from django_telroi.domain.typed_codes import CodeLength

__all__ = ["Backend"]

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class KeyInUse:
    """The key that a backend uses: its name in ``API_KEYS``, and the keyed digest of its value."""

    name: str
    digest: str


class Backend(ABC):
    """Places calls that read out a code, and checks the codes that people type.

    **Constructor.** It is called without arguments, once or more for each request, so it must be cheap: it reads
    settings and sends nothing. It raises Misconfigured if the site's settings do not allow it to work. Any other
    exception has the same effect and is logged by its type.

    **Errors.** ``place_call`` and ``check_code`` raise one of three errors of ``django_telroi.errors``. The error
    decides whether the call or the try counts for the person:

    * ApiUnreachable: certainly nothing was sent. A call is sent once more at once. No try is used.
    * ApiRefused: the provider refused the request. ``status`` is an HTTP status with the same meaning as in Telroi's
      API. 400 and 422: the request is invalid. 404: the call does not exist. 401 and 403: the key is invalid. 429: too
      many requests. 503 with the code ``service_unavailable``: the request was not processed.
    * ApiOutcomeUnknown: everything else. The phone may ring; the code may have been checked.

    Any other exception counts as ApiOutcomeUnknown, and so does a reply of a wrong type. Both are logged as
    ``backend_failed``. Never raise ApiUnreachable for an error that does not show whether the request was sent.

    **No retries.** A method sends its request at most once. It must end within ``TOTAL_TIMEOUT_SECONDS``. 15 seconds
    later the attempt is recorded as unknown.

    **Transactions.** No method is called while a transaction of the caller is open. A method must not leave one open.

    ``rings``: whether calls leave this machine and cost money. Such calls can go to a worker (``DISPATCH``). If it is
    False, the process that got the request places the call. ``key_digest``: identifies the key in use without revealing
    it, at most 64 printable characters, or ``""`` if there is no key. If the provider refuses or limits a key, only
    calls with the same digest wait.
    """

    rings: ClassVar[bool] = True
    judges_by_number: ClassVar[bool] = True
    """False if ``check_code`` needs an id. Then it is never called with ``call_id=None``. No code can be checked for a
    call whose id is unknown, so such a call ends as ``expired``."""
    key_digest: str = ""
    key_name: str = DEFAULT_KEY
    """The name of the key in ``API_KEYS``. It is set after the constructor."""
    has_replaced_key: bool = False
    """Whether the provider rejected the first key of this name, so the last request was sent with the one before it."""

    @classmethod
    def for_key(cls, name: str) -> Self:
        """Return an instance for the key ``name`` of ``API_KEYS``. Raises Misconfigured if it cannot use that key.

        It is not called for the name ``default``. Override it if this backend has several accounts. By default all
        names use the same account.
        """
        return cls()

    @classmethod
    def provider_url(cls) -> str:
        """Return the URL that requests are sent to. It is used in test runs only.

        A test run rejects a backend that ``rings``, unless the host of this URL is 127.0.0.1, ::1 or localhost, where
        a test double answers. ``""`` is rejected too.
        """
        return ""

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        """Return how many digits a call reads out if ``asked`` digits are requested, as far as this backend knows.

        A code of another length may be rejected without a call of ``check_code``.
        """
        return CodeLength(longest=asked, expected=asked, is_certain=False)

    def judges_by_id(self, call_id: str) -> bool:
        """Whether ``check_code`` accepts this id. If not, it is called with ``call_id=None`` and the number.

        ``call_id`` is the stored id of a call. Another backend that the site used before may have placed that call.
        """
        return True

    def admit_call(self) -> None:  # noqa: B027 - most backends have no budget
        """Take a slot in the backend's own budget for the next ``place_call``, if it has a budget.

        It is called before the call is claimed, outside a transaction. Raises ApiRefused if no slot is free.
        """

    def return_call(self) -> None:  # noqa: B027
        """Give back the slot that ``admit_call`` took. Another process claimed the call, so it will not be placed."""

    def admit_check(self) -> None:  # noqa: B027
        """Take a slot for the next ``check_code``. Raises ApiRefused if no slot is free."""

    @abstractmethod
    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        """Call ``to`` (E.164) once and read out a code.

        ``code_length``: digits of the code, 4 to 10. If the provider reads out fewer, ``spoken_length`` returns that.
        ``language``: a BCP 47 tag, or None for the provider's default. A language that it does not support is no error.
        ``code``: 4 to 10 ASCII digits to read out instead of a code of the provider. The reply's ``verification`` is
        then ``"client"``. A provider that cannot do this raises ``ApiRefused(422)``.

        Returns the call. Its ``id`` is any text of 1 to 200 printable characters, different for every call. It is
        passed to ``check_code`` as ``call_id``. Without a valid id the call counts as unknown.
        """

    @abstractmethod
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        """Check ``code`` (4 to 10 ASCII digits) for the call ``call_id``, whose number is ``to``.

        ``call_id`` is None if the id is unknown, because the answer to ``place_call`` was lost, or if ``judges_by_id``
        returned False. Then check the code for the newest call to ``to``. A backend that cannot do this sets
        ``judges_by_number`` to False and never gets None.

        Another instance, in another process, may have placed the call. Returns the provider's answer.
        """


def log_failure(error: Exception, *, attempt: object = "-") -> None:
    """Log the type of ``error`` and the line that raised it. Its text is not logged: it may contain the code or number.

    ``attempt`` is the primary key of the attempt, or ``-`` if there is none yet.
    """
    logger.error("backend_failed attempt=%s error=%s at=%s", attempt, type(error).__name__, _place_of(error))


def _place_of(error: Exception) -> str:
    """Return the innermost frame as ``module:line``, or ``-``.

    A call with wrong arguments fails in the caller's frame, so the module may be one of ours.
    """
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return "-"
    frame, line = frames[-1]
    module = frame.f_globals.get("__name__") or PurePath(frame.f_code.co_filename).stem
    return f"{module}:{line}"


LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})

REFUSED = (
    "A test run never calls a phone. Set TELROI['BACKEND'] to \"django_telroi.backends.locmem.LocmemBackend\" in this "
    "test. Or use a provider on this machine: for Telroi set TELROI['BASE_URL'] to a simulator "
    "(django_telroi.testing.running_simulator), for a backend of your own let its provider_url() return a URL with the "
    "host 127.0.0.1, ::1 or localhost. A test double that sends nothing sets rings = False."
)


def would_ring_from_test_run(backend: object) -> bool:
    """Whether this is a test run and ``backend`` (a class or an instance) may send requests to another machine.

    Returns False for an object that is not a backend. Other code rejects it.
    """
    if not conf.is_test_run():
        return False
    kind = backend if isinstance(backend, type) else type(backend)
    return issubclass(kind, Backend) and bool(kind.rings) and not _is_on_this_machine(kind)


def _is_on_this_machine(kind: type[Backend]) -> bool:
    """Whether ``provider_url`` has a host on this machine. False if it raises an exception."""
    try:
        return urlsplit(kind.provider_url()).hostname in LOOPBACK_HOSTS
    except Exception:  # noqa: BLE001 - a site's own backend may raise anything
        return False
