"""The backend for Telroi's API. It reads the API key from the settings and gives it to the client."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac

from django_telroi import conf
from django_telroi.backends.base import Backend
from django_telroi.backends.budget import Slot, expect_checks, give_back, take_for_call, take_for_check
from django_telroi.backends.test_runs import REFUSED, would_ring_from_test_run
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
# Telroi reads out at most as many digits as the operator of the workspace allows: 6, unless that was changed. Its reply
# does not contain the number of digits.
OPERATORS_CODE_LENGTH = 6

logger = logging.getLogger("django_telroi")


class TelroiBackend(Backend):
    """Places real calls that cost money, within the budget of the key.

    A slot of the budget is valid for one request. A request without a slot takes one itself.

    ``client``: the ``TelroiClient``. All instances with the same settings share it in a process.
    """

    rings: ClassVar[bool] = True

    def __init__(self) -> None:
        if would_ring_from_test_run(self):
            raise ImproperlyConfigured(REFUSED)
        for package in (REQUESTS, DJANGO_RATELIMIT):
            if not package.is_installed:  # telroi.E039 has the command that installs it
                logger.error("misconfigured reason=missing_package package=%s", package.module)
                raise Misconfigured
        key = conf.api_key()
        if reason := _problem_with(key):
            logger.error("misconfigured reason=%s", reason)
            raise Misconfigured
        timeouts = conf.timeouts()
        try:
            self.client = _client(
                key,
                conf.base_url(),
                timeouts.connect,
                timeouts.read,
                timeouts.total,
                conf.proxy_url(),
                trace_headers=conf.trace_headers(),
            )
        except ValueError:
            logger.error("misconfigured reason=client_settings")
            raise Misconfigured from None
        # Keyed, so that the digest in the database does not show which key is in use.
        self.key_digest = salted_hmac("django_telroi.key", key, algorithm="sha256").hexdigest()
        self._call_is_admitted = self._check_is_admitted = False
        self._slot: Slot | None = None

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
            call = self.client.place_otp(to, code_length=code_length, language=language, code=code)
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
        if call_id is not None:
            return self.client.check_otp(code, id=call_id)
        return self.client.check_otp(code, to=to)


@lru_cache(maxsize=8)
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


def _problem_with(key: str) -> str:
    """Return the reason, for the log, why the key cannot be used, or ``""``."""
    if not key:
        return "no_key"
    if key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key():
        return "test_key_not_allowed"
    return ""
