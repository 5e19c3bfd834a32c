"""Telroi over HTTP. The one place that knows the key."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import ClassVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac

from django_telroi import conf
from django_telroi.backends.base import Backend
from django_telroi.backends.budget import Slot, give_back, take_for_call, take_for_check
from django_telroi.backends.test_runs import REFUSED, would_ring_from_test_run
from django_telroi.client import OtpCall, OtpCheck, TelroiClient
from django_telroi.domain.codes import CodeLength
from django_telroi.errors import Misconfigured

TEST_KEY_PREFIX = "tlr_test_"
# Telroi reads out no more digits than the operator of the workspace allows, six unless that was changed. Its reply does
# not say how many these are.
OPERATORS_CODE_LENGTH = 6

logger = logging.getLogger("django_telroi")


class TelroiBackend(Backend):
    """Places real calls that cost money, within the budget of the key.

    A place that was taken in the budget is good for one request; one that comes without takes its own.
    """

    rings: ClassVar[bool] = True

    def __init__(self) -> None:
        if would_ring_from_test_run(self):
            raise ImproperlyConfigured(REFUSED)
        key = conf.api_key()
        if reason := _reason_against(key):
            logger.error("misconfigured reason=%s", reason)
            raise Misconfigured
        timeouts = conf.timeouts()
        try:
            self._client = _client(
                key, conf.base_url(), timeouts.connect, timeouts.read, timeouts.total, conf.proxy_url()
            )
        except ValueError:
            logger.error("misconfigured reason=client_settings")
            raise Misconfigured from None
        self.key_digest = salted_hmac("django_telroi.key", key, algorithm="sha256").hexdigest()
        self._call_is_admitted = self._check_is_admitted = False
        self._place: Slot | None = None

    @classmethod
    def provider_url(cls) -> str:
        return conf.base_url()

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=asked, expected=min(asked, OPERATORS_CODE_LENGTH), is_certain=False)

    def judges_by_id(self, call_id: str) -> bool:
        """Telroi takes no id back that is not a UUID: a call of a test key (``otp_test_…``) is judged by its number."""
        try:
            return str(UUID(call_id)) == call_id.lower()
        except ValueError:
            return False

    def admit_call(self) -> None:
        if not self._call_is_admitted:
            self._place = take_for_call(self.key_digest, requests_per_minute=conf.key_requests_per_minute())
            self._call_is_admitted = True

    def return_call(self) -> None:
        if self._call_is_admitted:
            self._call_is_admitted = False
            give_back(self._place)

    def admit_check(self) -> None:
        if not self._check_is_admitted:
            take_for_check(self.key_digest, requests_per_minute=conf.key_requests_per_minute())
            self._check_is_admitted = True

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        self.admit_call()
        self._call_is_admitted = False
        return self._client.place_otp(to, code_length=code_length, language=language, code=code)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        self.admit_check()
        self._check_is_admitted = False
        if call_id is not None:
            return self._client.check_otp(code, id=call_id)
        return self._client.check_otp(code, to=to)


@lru_cache(maxsize=8)
def _client(
    key: str, base_url: str, connect_timeout: float, read_timeout: float, total_timeout: float, proxy_url: str | None
) -> TelroiClient:
    """One client a configuration, so that connections are used again."""
    return TelroiClient(
        key,
        base_url=base_url,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        total_timeout=total_timeout,
        proxy_url=proxy_url,
    )


def _reason_against(key: str) -> str:
    if not key:
        return "no_key"
    if key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key():
        return "test_key_not_allowed"
    return ""
