"""The views of two buttons beside the code: "Call again" and "Change number"."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase

from django_telroi import limits
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, VerificationRefused
from django_telroi.web.card_state import settle_and_load_attempt, settle_older_call, without_attempt
from django_telroi.web.cards import goal_of, home_url
from django_telroi.web.cookies import (
    LastRequest,
    delete_request_cookie,
    forget_typed,
    read_request_cookie,
    renew_typed,
    set_request_cookie,
)
from django_telroi.web.kept_call import cancel_call
from django_telroi.web.notices import notice_of
from django_telroi.web.page_guards import save_session
from django_telroi.web.pages import PhonePage, raise_if_failed
from django_telroi.web.seen_attempt import is_open, may_ring
from django_telroi.web.session import Flow, session_of


class CallAgainView(PhonePage):
    """Requests another call to the same number."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older_call(request, self.purpose)
        shown = self.ticket.shown_attempt
        current = self.flow.shown or shown
        if current is None:
            return self.redirect_to_page("start")
        # The form of an older call was sent again, by a double click or in another tab. Its call is requested already.
        if shown in (None, current):
            flow = replace(self.flow, attempt=current, older=None, notice=None, is_changing=False)
            self.save_flow(self.call_again(current, flow))
        response = self.redirect_to_page("code")
        # Renewed, because the new code is valid longer than the cookie that was set at the first call.
        last = read_request_cookie(request, self.purpose)
        set_request_cookie(response, request, self.purpose, LastRequest(last.typed if last else "", has_call=True))
        renew_typed(response, request)
        return response

    def call_again(self, old: UUID, flow: Flow) -> Flow:
        """Request another call. Returns the flow with the new call, or with a notice that gives the reason for none.

        The code of the old call is valid until the new call is placed.
        """
        try:
            attempt = raise_if_failed(limits.call_again(self.request, old, user=self.user), user=self.user)
        except AttemptNotFound:
            return without_attempt(flow, user=self.user)
        except VerificationRefused as refusal:
            return replace(flow, notice=notice_of(refusal, about="call"))
        if attempt.uuid == old:  # it is verified, so there is no other call and the flow stays the same
            return flow
        # A queued call may still fail, and then the older code is the only one that was read out. So the flow keeps it.
        is_placed = attempt.status not in (Status.QUEUED, Status.DIALING)
        return replace(flow, attempt=attempt.uuid, older=None if is_placed else old, is_proven=False)


class ChangeNumberView(PhonePage):
    """Asks for a number again, leads back to the code (field ``back``), or ends a change of a number (``leave``).

    A call that rings or may ring stays open until a call to another number is placed. A call that is not placed yet is
    canceled.
    """

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest) -> HttpResponseBase:
        if "back" in request.POST:
            return self.back_to_code()
        if "leave" in request.POST:
            return self.leave_change()
        seen = settle_and_load_attempt(request, self.purpose)
        flow = replace(self.flow, next=self.ticket.next or self.flow.next, notice=None)
        if seen and may_ring(seen):
            flow = replace(flow, is_changing=True)
        else:
            if seen and is_open(seen) and flow.attempt:
                cancel_call(flow.attempt, user=self.user)
            # A canceled call to another number leaves the call that the person had before.
            flow = Flow(flow.kept, flow.next, stored=flow.stored, replaces=flow.replaces, is_changing=bool(flow.kept))
        self.save_flow(flow)
        # Saved before the redirect: if that fails, the form would lead back to the code without a word.
        save_session(request, session_of(request))
        response = self.redirect_to_page("start")
        # The cookie would fill in the number that the person wants to change.
        delete_request_cookie(response, request)
        return response

    def leave_change(self) -> HttpResponseBase:
        """End the change of a number: cancel its call, and redirect to where the visitor wanted to go."""
        flow, next_ = self.flow, self.ticket.next or self.flow.next
        if flow.replaces:
            for attempt in filter(None, (flow.attempt, flow.kept)):
                cancel_call(attempt, user=self.user)
            self.save_flow(Flow())
        response = self.redirect(goal_of(next_, self.request) or home_url() or self.page_url("start"))
        delete_request_cookie(response, self.request)
        forget_typed(response, self.request)
        return response

    def back_to_code(self) -> HttpResponseBase:
        """Redirect to the code of the call that rings. The ticket knows it if the session is lost."""
        attempt = self.flow.attempt or self.ticket.shown_attempt
        self.save_flow(replace(self.flow, attempt=attempt, notice=None, is_changing=False))
        return self.redirect_to_page("code")
