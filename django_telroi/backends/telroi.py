"""The backend for Telroi's API. It reads the API key from the settings and gives it to the client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends.base import REFUSED, Backend, would_ring_from_test_run
from django_telroi.backends.budget import Slot, expect_checks, give_back, take_for_call, take_for_check
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, Misconfigured
from django_telroi.packages import DJANGO_RATELIMIT, REQUESTS

if TYPE_CHECKING:
    from django_telroi.client import TelroiClient

__all__ = [
    "TelroiBackend",
]

TEST_KEY_PREFIX = "tlr_test_"
REJECTS_KEY = (401, 403)
# Telroi reads out at most as many digits as the operator of the workspace allows: 6, unless that was changed. Its reply
# does not contain the number of digits.
OPERATORS_CODE_LENGTH = 6

logger = logging.getLogger("django_telroi")

T = TypeVar("T")


class TelroiBackend(Backend):
    """Places real calls that cost money, within the budget of the key.

    A slot of the budget is valid for one request. A request without a slot takes one itself.

    ``client``: the ``TelroiClient``. All instances with the same settings share it in a process.
    """

    rings: ClassVar[bool] = True

    def __init__(self, key_name: str = conf.DEFAULT_KEY) -> None:
        if would_ring_from_test_run(self):
            raise ImproperlyConfigured(REFUSED)
        for package in (REQUESTS, DJANGO_RATELIMIT):
            if not package.is_installed:  # telroi.E039 has the command that installs it
                logger.error("misconfigured reason=%s", f"missing_package({package.module})")
                raise Misconfigured
        self.key_name = key_name
        clients = list(_usable_clients(key_name))
        if not clients:
            raise Misconfigured
        # A new key that cannot be used, such as one with a space, must not lose a call: the key before it is used.
        (key, self.client), *old = clients
        self.key_digest = _digest_of(key)
        # The key before the rotation. It is used only for a request that Telroi rejected because of the first key.
        self._old = old[0][1] if old else None
        self._call_is_admitted = self._check_is_admitted = False
        self._slot: Slot | None = None

    @classmethod
    def for_key(cls, name: str) -> Self:
        return cls(name)

    @classmethod
    def provider_url(cls) -> str:
        return conf.base_url()

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=asked, expected=min(asked, OPERATORS_CODE_LENGTH), is_certain=False)

    def judges_by_id(self, call_id: str) -> bool:
        """False for an id that is not a UUID: Telroi does not accept the ids of a test key (``otp_test_…``)."""
        try:
            return str(UUID(call_id)) == call_id.lower()
        except ValueError:
            return False

    def admit_call(self) -> None:
        if not self._call_is_admitted:
            self._slot = take_for_call(self.key_digest, requests_per_minute=conf.key_requests_per_minute())
            self._call_is_admitted = True

    def return_call(self) -> None:
        if self._call_is_admitted:
            self._call_is_admitted = False
            give_back(self._slot)

    def admit_check(self) -> None:
        if not self._check_is_admitted:
            take_for_check(self.key_digest, requests_per_minute=conf.key_requests_per_minute())
            self._check_is_admitted = True

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        # The slot is used up before the request is sent. If that fails, a second request must take its own.
        self.admit_call()
        self._call_is_admitted = False
        try:
            call = self._send(
                lambda client: client.place_otp(to, code_length=code_length, language=language, code=code)
            )
        except ApiError as error:
            # After a timeout or a server error the phone may ring, and it is not known whose code it reads out.
            if isinstance(error, ApiOutcomeUnknown) or (isinstance(error, ApiRefused) and error.status >= 500):
                self._expect_checks()
            raise
        if call.verification != "client":
            self._expect_checks()
        return call

    def _expect_checks(self) -> None:
        expect_checks(self.key_digest, seconds=conf.code_ttl().total_seconds())

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        self.admit_check()
        self._check_is_admitted = False
        # The id decides alone in Telroi. By number it checks the newest call, which may be that of another system.
        ask = {"to": to} if call_id is None else {"id": call_id}
        return self._send(lambda client: client.check_otp(code, **ask))

    @sensitive_variables()
    def _send(self, request: Callable[[TelroiClient], T]) -> T:
        """Send a request with the first key, and once more with the key before it if Telroi rejects the first one.

        Telroi examines the key before the request, so after 401 and 403 no call was placed and no code was checked.
        Both keys are of one workspace, which knows the calls of each. The second request is counted with the first one:
        a rejected key has used none of its budget, and a second count could refuse a call that the budget admits.
        """
        self.has_replaced_key = False
        try:
            return request(self.client)
        except ApiRefused as refused:
            if refused.status not in REJECTS_KEY or self._old is None:
                raise
        logger.error("key_rejected key=%s", self.key_name)
        self.has_replaced_key = True
        return request(self._old)


def _digest_of(key: str) -> str:
    """Return the keyed digest of a key, so that the database does not show which key is in use."""
    return salted_hmac("django_telroi.key", key, algorithm="sha256").hexdigest()


def _usable_clients(name: str) -> Iterator[tuple[str, TelroiClient]]:
    """Yield each key of a name that can be used, and its client. The log has the reason for each of the others."""
    for key in conf.keys_named(name) or ("",):
        reason = _problem_with(key, name)
        if not reason:
            try:
                yield key, _client_of(key)
                continue
            except ValueError:
                reason = "client_settings"
        logger.error("misconfigured reason=%s", reason)


def _client_of(key: str) -> TelroiClient:
    """Return the client of a key. Raises ValueError if a setting of the client is invalid."""
    timeouts = conf.timeouts()
    return _client(
        key,
        conf.base_url(),
        timeouts.connect,
        timeouts.read,
        timeouts.total,
        conf.proxy_url(),
        trace_headers=conf.trace_headers(),
    )


@lru_cache(maxsize=128)
def _client(
    key: str,
    base_url: str,
    connect_timeout: float,
    read_timeout: float,
    total_timeout: float,
    proxy_url: str | None,
    *,
    trace_headers: bool,
) -> TelroiClient:
    """Return the one client of this configuration, so that its connections are reused."""
    # The system checks import this module. They need no requests.
    from django_telroi.client import TelroiClient

    return TelroiClient(
        key,
        base_url=base_url,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        total_timeout=total_timeout,
        proxy_url=proxy_url,
        trace_headers=trace_headers,
    )


def _problem_with(key: str, name: str) -> str:
    """Return the reason, for the log, why the key cannot be used, or ``""``."""
    if not key:
        return "no_key"
    if key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key(name):
        return "test_key_not_allowed"
    return ""
