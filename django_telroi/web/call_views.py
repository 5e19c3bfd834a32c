"""The views of two buttons beside the code: "Call again" and "Change number"."""

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
from django_telroi.web.asked import LastRequest, delete_request_cookie, read_request_cookie, set_request_cookie
from django_telroi.web.card_state import settle_older_call, without_attempt
from django_telroi.web.pages import PhonePage
from django_telroi.web.session import Flow, notice_of


def not_failed(attempt: VerificationAttempt, *, user: AbstractBaseUser | None) -> VerificationAttempt:
    """Return the attempt. Raises VerificationRefused with the reason if the attempt failed."""
    if attempt.status == Status.FAILED:
        raise services.follow(attempt.uuid, user=user).refusal or Unavailable()
    return attempt


class CallAgainView(PhonePage):
    """Requests another call to the same number."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older_call(request, self.purpose)
        shown = self.ticket.shown_attempt
        current = self.flow.shown or shown
        if current is None:
            return self.redirect_to_page("start")
        if shown in (None, current):
            self.save_flow(self.call_again(current, replace(self.flow, attempt=current, older=None, notice=None)))
        response = self.redirect_to_page("code")
        last = read_request_cookie(request, self.purpose)
        set_request_cookie(response, request, self.purpose, LastRequest(last.typed if last else "", has_call=True))
        return response

    def call_again(self, old: UUID, flow: Flow) -> Flow:
        """Request another call. Returns the flow with the new call, or with a notice that gives the reason for none.

        The code of the old call is valid until the new call is placed.
        """
        try:
            attempt = not_failed(limits.call_again(self.request, old, user=self.user), user=self.user)
        except AttemptNotFound:
            return without_attempt(flow)
        except VerificationRefused as refusal:
            return replace(flow, notice=notice_of(refusal, about="call"))
        if attempt.uuid == old:  # it is verified, so there is no other call and the flow stays the same
            return flow
        is_placed = attempt.status not in (Status.QUEUED, Status.DIALING)
        return replace(flow, attempt=attempt.uuid, older=None if is_placed else old, is_proven=False)


class ChangeNumberView(PhonePage):
    """Cancels the attempt and asks for a number again."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if self.flow.attempt:
            with suppress(AttemptNotFound):
                services.cancel_verification(self.flow.attempt, user=self.user)
        self.save_flow(Flow(next=self.ticket.next or self.flow.next))
        response = self.redirect_to_page("start")
        delete_request_cookie(response, request)
        return response
