"""Requests that are counted at most once: a start, a code, and a decoy.

A page that asks for the number of an account calls only known numbers. If only their limits were applied, a second
request would show which numbers are known: one is refused with "We called this number a moment ago", the other is not.
So a request for an unknown number, a decoy, is counted like a call: for its requester, and for the number in the cache.
It is not counted in the number's row, because staff would see a call there that was never placed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import caches
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.number_limits import DAY, with_call
from django_telroi.domain.phone import Phone
from django_telroi.errors import VerificationRefused
from django_telroi.limits.counting import admit, cache_digest, forget, refuse_if_full, reject_if_cache_fails
from django_telroi.limits.site_functions import bot_check_of, is_known_to, phone_risk_of, requester_with_keys
from django_telroi.redaction import redact_arguments
from django_telroi.services.calls.refusals import admit_number, record_refusal
from django_telroi.services.calls.request import Admission, CallRequest
from django_telroi.services.requester import Requester
from django_telroi.services.shared.transactions import write_alias


class CountedCode:
    """Counts one code, at most once."""

    def __init__(self, requester: Requester) -> None:
        self.requester = requester
        self._is_counted = False

    def admit(self) -> None:
        if self._is_counted:
            return
        self._is_counted = True
        try:
            admit("check", self.requester, once=None)
        except VerificationRefused as refusal:
            record_refusal(refusal, None, using=write_alias())
            raise


class CountedStart:
    """Counts one start. Both requests of a double click have the same digest, so they are counted once.

    ``BOT_CHECK`` and ``PHONE_RISK`` are not asked about a request that places no call.
    """

    @sensitive_variables()
    def __init__(
        self,
        request: HttpRequest,
        user: AbstractBaseUser | None,
        bot_token: str | None,
        once_counted: Callable[[str], None] | None = None,
        *,
        is_known: bool | None = None,
    ) -> None:
        self.requester = requester_with_keys(request, user)
        self._ask = bot_check_of(request, bot_token)
        self._ask_risk = phone_risk_of(request)
        self._once_counted = once_counted
        self._is_known = partial(is_known_to, request) if is_known is None else lambda number: is_known
        self._once: str | None = None
        self._is_counted = False

    def admit(self, call_request: CallRequest) -> Admission:
        """Count the request. Returns the function that asks ``PHONE_RISK``, and whether the requester is known."""
        once = None
        if call_request.attempt_uuid is not None:
            # Not the id alone: with one id for many numbers, all calls but the first would be free of the limit.
            uuid, number = call_request.attempt_uuid, call_request.phone.number
            once = cache_digest("start", uuid, number, call_request.purpose, call_request.user_id)
        self._is_counted = True
        admit("start", self.requester, once=once, ask=self._ask)
        # Not before: a request that was not admitted has no mark, and a RATE_KEYS that failed is not called again.
        self._once = once
        if self._once_counted:
            self._once_counted(call_request.phone.number)
        ask_risk = partial(self._ask_risk, call_request.phone) if self._ask_risk else None
        return Admission(ask_risk, self._is_known(call_request.phone.number))

    def count_requester(self) -> None:
        """Count a request that requested no call, against the rates of its requester. Counts at most once.

        Raises TooManyRequests and Unavailable.
        """
        if self._is_counted:
            return
        try:
            admit("start", self.requester, once=None)
        except VerificationRefused as refusal:
            record_refusal(refusal, None, using=write_alias())
            raise

    def forget(self) -> None:
        """Delete the mark of a rejected start. A rejected request is not a retry: sent again, it counts again."""
        forget("start", self.requester, once=self._once)


DECOY_LIFETIME = int(DAY / timedelta(seconds=1))
"""Seconds: the longest window of a number's limits."""


@redact_arguments("number")
@sensitive_variables()
def check_without_count(number: str, requester: Requester, *, is_known_to: Callable[[str], bool | None]) -> None:
    """Raise the VerificationRefused that a call to ``number`` would get now. Counts nothing.

    ``is_known_to`` returns whether the requester is known with a number (E.164), None if no calls are reserved.
    """
    admit_number(number, admit=lambda: refuse_if_full("start", requester), decoys_of=_moments, is_known_to=is_known_to)


@redact_arguments("number")
@sensitive_variables()
def count_decoy_call(
    number: str, requester: Requester, *, ask: Callable[[], None] | None, is_known_to: Callable[[str], bool | None]
) -> None:
    """Count a decoy of a call to ``number``. Raises the VerificationRefused that the call would get.

    ``ask`` is as in ``admit``, ``is_known_to`` as in ``check_without_count``.
    """
    phone, now = admit_number(
        number,
        admit=lambda: admit("start", requester, once=None, ask=ask),
        decoys_of=_moments,
        is_known_to=is_known_to,
    )
    if not conf.counts_requests():
        return
    with reject_if_cache_fails():
        caches[conf.rate_limit_cache()].set(_key(phone), with_call(_moments(phone), now), DECOY_LIFETIME)


def _moments(phone: Phone) -> Sequence[datetime]:
    if not conf.counts_requests():
        return ()
    with reject_if_cache_fails():
        moments: Sequence[datetime] = caches[conf.rate_limit_cache()].get(_key(phone), ())
    return moments


def _key(phone: Phone) -> str:
    return "telroi:decoys:" + cache_digest("decoys", phone.number)
