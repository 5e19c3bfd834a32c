"""The two buttons beside the code: another call, and another number."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponseBase

from django_telroi import limits, services
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, Unavailable, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.web.asked import Asked, forget_asked, last_asked, remember_asked
from django_telroi.web.card_state import settle_older, without_attempt
from django_telroi.web.pages import PhonePage
from django_telroi.web.session import Flow, notice_of


def not_failed(attempt: VerificationAttempt, *, user: AbstractBaseUser | None) -> VerificationAttempt:
    """The attempt. Raises the refusal that a failed one amounts to."""
    if attempt.status == Status.FAILED:
        raise services.follow(attempt.uuid, user=user).refusal or Unavailable()
    return attempt


class CallAgainView(PhonePage):
    """Has the same number called once more."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older(request, self.purpose)
        shown = self.ticket.shown_attempt
        current = self.flow.shown or shown
        if current is None:
            return self.go_on("start")
        if shown in (None, current):
            self.keep(self.call_again(current, replace(self.flow, attempt=current, older=None, notice=None)))
        response = self.go_on("code")
        asked = last_asked(request, self.purpose)
        remember_asked(response, request, self.purpose, Asked(asked.typed if asked else "", has_call=True))
        return response

    def call_again(self, old: UUID, flow: Flow) -> Flow:
        """The flow with its new call, or with why there is none: then the old call's code still counts."""
        try:
            attempt = not_failed(limits.call_again(self.request, old, user=self.user), user=self.user)
        except AttemptNotFound:
            return without_attempt(flow)
        except VerificationRefused as refusal:
            return replace(flow, notice=notice_of(refusal, about="call"))
        if attempt.uuid == old:  # verified: no other call is needed, and what the session has shown stays
            return flow
        is_placed = attempt.status not in (Status.QUEUED, Status.DIALING)
        return replace(flow, attempt=attempt.uuid, older=None if is_placed else old, is_proven=False)


class ChangeNumberView(PhonePage):
    """Gives the call up and asks for a number anew."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if self.flow.attempt:
            with suppress(AttemptNotFound):
                services.cancel_verification(self.flow.attempt, user=self.user)
        self.keep(Flow(next=self.ticket.next or self.flow.next))
        response = self.go_on("start")
        forget_asked(response, request)
        return response
