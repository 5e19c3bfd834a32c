"""The code page: it asks for the code and shows the result. See "A code" in docs/explanation/how.rst."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.views.decorators.debug import sensitive_variables

from django_telroi import limits, services
from django_telroi.domain.typed_codes import misfit_of
from django_telroi.errors import AttemptNotFound, VerificationRefused
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.shared.secrets import length_of
from django_telroi.web.add_number import add_number_after_login
from django_telroi.web.card_state import (
    focused,
    settle_and_load_attempt,
    settle_older_call,
    without_attempt,
)
from django_telroi.web.cards import CardPlace
from django_telroi.web.cookies import delete_request_cookie, forget_typed
from django_telroi.web.forms import CodeForm
from django_telroi.web.kept_call import close_if_queued
from django_telroi.web.notices import NEWER_CALL, Notice, notice_of_check, notice_of_result
from django_telroi.web.pages import LOST, PhonePage
from django_telroi.web.seen_attempt import card_state_name, step_name
from django_telroi.web.session import Flow, pop_notice, renew_session
from django_telroi.web.tickets import open_number, remember_proven


class CodeView(PhonePage):
    """Shows the status of the call, asks for the code and shows the result.

    Telroi may read out fewer digits than requested. So the page asks once whether a short code is complete. The ticket
    of the form records the question, so both requests of a double click get the question.
    """

    form_class: type[CodeForm] = CodeForm

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = settle_and_load_attempt(request, self.purpose)
        if self.has_new_notice("number"):
            return HttpResponseRedirect(self.start_url())
        if seen is None:
            return HttpResponseRedirect(self.start_url(LOST))
        if step_name(seen) == "done":
            return HttpResponseRedirect(self.page_url("done"))
        notice = None if self.has_notice("number") else pop_notice(request, self.purpose)
        form = focused(self.form_class(auto_id=CardPlace().auto_id, code_length=length_of(seen.attempt).expected))
        return self.show_attempt(seen, form, notice)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older_call(request, self.purpose)
        attempt_id = self.call_of_code()
        if attempt_id is None:
            return self.redirect_to_page("start")
        newest = self.flow.attempt or attempt_id
        next_ = self.ticket.next or self.flow.next
        flow = replace(self.flow, attempt=newest, next=next_, notice=None, is_changing=False)

        # What must not cost a try is rejected here, before the services reserve one.
        form = self.form_class(request.POST)
        if notice := self.reason_not_to_check(form, attempt_id):
            self.save_flow(replace(flow, notice=notice))
            return self.redirect_to_page("code")

        # A short code is checked only if this form asked about a code of the same length. Another one may be a typing
        # error.
        code = form.cleaned_data["code"]
        judge_short = self.ticket.asked_digits == len(code)
        try:
            result = limits.check_code(request, attempt_id, code, user=self.user, judge_short=judge_short)
        except AttemptNotFound:
            self.save_flow(without_attempt(replace(flow, attempt=attempt_id, older=None), user=self.user))
            return self.redirect_to_page("start")
        except VerificationRefused as refusal:
            self.save_flow(replace(flow, notice=notice_of_check(refusal)))
            return self.redirect_to_page("code")

        return self.answer_result(result, attempt_id, flow, digits=len(code))

    @sensitive_variables()
    def answer_result(self, result: CheckResult, attempt_id: UUID, flow: Flow, *, digits: int) -> HttpResponseBase:
        """Write the result to the session and return the redirect. ``digits``: the number of typed digits."""
        # ``was_judged`` is False for the second request with the right code. If the session does not know the call any
        # more, the first request has replaced it.
        session_has_ended = self.flow.attempt is None or self.flow.is_renewed
        if result.outcome == CheckOutcome.VERIFIED and not result.was_judged and session_has_ended:
            return self.follow_first_click(attempt_id, flow)

        # A taken number is a success of this session too: the card must say that the code was right and why the number
        # is not added.
        result = add_number_after_login(self.request, self.flow, result)
        # Before the session knows the success. If the process is killed in between, the card asks for the same code
        # again, and then the change is made. Made twice, it changes nothing more.
        self.replace_old_number(result)
        if result.outcome in (CheckOutcome.VERIFIED, CheckOutcome.NUMBER_TAKEN):
            flow = self.close_queued_and_get_flow(attempt_id, flow)
        if result.outcome == CheckOutcome.VERIFIED:
            return self.succeed(result, flow)
        self.save_flow(replace(flow, notice=notice_of_result(result, digits=digits)))
        return self.redirect_to_page("code")

    def call_of_code(self) -> UUID | None:
        """Return the id of the call that the code is for, None if it is unknown.

        The session knows the call on show. Without a session, after the first click of a double click replaced it, the
        ticket of the form does. A tab may also show the call to the former number, which takes codes until the call to
        the other number is placed.
        """
        shown = self.ticket.shown_attempt
        return shown if shown and shown == self.flow.kept else self.flow.shown or shown

    def close_queued_and_get_flow(self, proven: UUID, flow: Flow) -> Flow:
        """Return the flow after the right code of the call ``proven``. A queued call to another number is canceled."""
        if proven == flow.kept and flow.attempt:
            close_if_queued(flow.attempt, user=self.user)
        return Flow(proven, flow.next, is_proven=True, stored=flow.stored, replaces=flow.replaces)

    @sensitive_variables()
    def replace_old_number(self, result: CheckResult) -> None:
        """Remove the number that this flow changes (``ChangePhoneView``) after a right code. Raises Unavailable."""
        old = open_number(self.flow.replaces, self.request) if result.outcome == CheckOutcome.VERIFIED else None
        if old and self.user is not None:
            services.change_phone(self.user, old=old, new=result.attempt.number, purpose=self.purpose)

    @sensitive_variables()
    def reason_not_to_check(self, form: CodeForm, attempt_id: UUID) -> Notice | None:
        """Return a notice if the code must not be checked: it is malformed, or it was typed for an older call."""
        if self.ticket.shown_attempt not in (None, attempt_id):
            return Notice("code", NEWER_CALL)
        if not form.is_valid():
            return Notice("code", CheckOutcome.INVALID_CODE, length_fit=misfit_of(form.data.get("code", "")) or "")
        return None

    @sensitive_variables("result")
    def succeed(self, result: CheckResult, flow: Flow) -> HttpResponseBase:
        """Save the success and redirect to the URL after success.

        An anonymous session gets a new key. Otherwise an attacker who knows the old key (session fixation) would share
        the success. A user's session keeps its key, because the login has set a new one. Another new key would log out
        a user whose next request is already on its way with the old key.
        """
        self.save_flow(flow)
        if self.user is None or not self.user.is_authenticated:
            renew_session(self.request, self.purpose, flow)
        self.phone_verified(result)
        response = self.redirect(self.get_success_url(flow))
        delete_request_cookie(response, self.request)
        forget_typed(response, self.request)
        return response

    def follow_first_click(self, attempt_id: UUID, flow: Flow) -> HttpResponseBase:
        """Redirect to the same URL as the first request with the right code, which has replaced this session.

        This is the second request of a double click, or the first response did not arrive. The response does not change
        the session cookie, because after a double click the browser has the cookie of the new session by now. For a
        browser that does not have it, the response sets the cookie of ``remember_proven``.
        """
        response = self.redirect(self.get_success_url(flow))
        delete_request_cookie(response, self.request)
        forget_typed(response, self.request)
        remember_proven(response, self.request, attempt_id, purpose=self.purpose)
        self.drop_session_changes()  # last, because ``remember_proven`` reads the CSRF token
        return response

    def phone_verified(self, result: CheckResult) -> None:
        """Override this to react to a verified number. ``result.proof`` is set if the number belongs to no account."""


class StatusView(PhonePage):
    """Returns the state of the card and the status of the attempt as JSON, for the script."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = settle_and_load_attempt(request, self.purpose)
        if seen is None:
            return JsonResponse({"step": "number", "status": None})
        return JsonResponse({"step": card_state_name(seen), "status": seen.attempt.status})


class DoneView(PhonePage):
    """Shows that the number is verified, or redirects to the start page."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = settle_and_load_attempt(request, self.purpose)
        if seen is None or step_name(seen) != "done":
            return HttpResponseRedirect(self.start_url())
        return self.show_attempt(seen, CodeForm(), None)
