"""Requests that are counted at most once: a start and a code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi.errors import VerificationRefused
from django_telroi.limits.counting import admit, forget
from django_telroi.limits.known_numbers import is_known_to
from django_telroi.limits.site_functions import bot_check_of, phone_risk_of, requester_with_keys
from django_telroi.limits.sub_windows import cache_digest
from django_telroi.services.calls.refusals import record_refusal
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
        if call_request.attempt_uuid is not None:
            # Not the id alone: with one id for many numbers, all calls but the first would be free of the limit.
            uuid, number = call_request.attempt_uuid, call_request.phone.number
            self._once = cache_digest("start", uuid, number, call_request.purpose, call_request.user_id)
        self._is_counted = True
        admit("start", self.requester, once=self._once, ask=self._ask)
        if self._once_counted:
            self._once_counted(call_request.phone.number)
        ask_risk = partial(self._ask_risk, call_request.phone) if self._ask_risk else None
        return Admission(ask_risk, self._is_known(call_request.phone.number))

    def count_without_call(self) -> None:
        """Count a request that did not request a call. Raises TooManyRequests and Unavailable. Counts at most once."""
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
