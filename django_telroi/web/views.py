"""The pages. A GET returns a card. A POST returns a redirect, and the next page shows the result.

You may subclass the views. Use the URL names of ``django_telroi.urls`` in the namespace ``telroi``, so that all links
and forms find your views.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.views.decorators.debug import sensitive_variables

from django_telroi import limits
from django_telroi.domain.codes import misfit_of
from django_telroi.domain.states import FINAL, Status
from django_telroi.errors import AttemptNotFound, InvalidNumber, Unavailable, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.accounts.ownership import Ownership
from django_telroi.services.attempts.typed_codes import was_uncheckable
from django_telroi.services.shared.arguments import owner_id
from django_telroi.web.add_number import AddNumberView, add_number_after_login
from django_telroi.web.asked import LastRequest, delete_request_cookie, set_request_cookie
from django_telroi.web.call_views import CallAgainView, ChangeNumberView, not_failed
from django_telroi.web.card_state import (
    first_step,
    focused,
    load_seen_attempt,
    phone_form,
    settle_older_call,
    without_attempt,
)
from django_telroi.web.cards import CardPlace, page_url
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.pages import PhonePage
from django_telroi.web.posted_values import read_posted
from django_telroi.web.session import (
    NEWER_CALL,
    Flow,
    Notice,
    notice_of,
    notice_of_check,
    notice_of_result,
    pop_notice,
    renew_session,
    save_session,
    session_of,
)
from django_telroi.web.steps import attempt_step, card_state_name, is_open, number_step, step_name
from django_telroi.web.tickets import remember_proven

__all__ = [
    "AddNumberView",
    "CallAgainView",
    "ChangeNumberView",
    "CodeView",
    "DoneView",
    "PhonePage",
    "StartView",
    "StatusView",
]

LOST = "lost"
"""Query parameter of the start page: the session does not know the call."""

OUTDATED_STATUSES = FINAL - {Status.FAILED}
"""If the attempt of a form has one of these statuses, the form is an old one and its attempt is not reused."""


class StartView(PhonePage):
    """Asks for the number and requests the call. ``form_class`` may have more fields than the number."""

    form_class: type[PhoneForm] = PhoneForm

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the form for the number, or a redirect to the code page if a call is open."""
        seen = load_seen_attempt(request, self.purpose)
        if seen and is_open(seen) and not self.has_notice("number"):
            # A visitor who comes from a gate returns there, although another page requested the call.
            self.save_flow(replace(self.flow, next=self.ticket.next or self.flow.next))
            return HttpResponseRedirect(page_url("code", self.purpose))
        notice = pop_notice(request, self.purpose) if self.has_notice("number") else None
        # Offer the number only if the person verified it before the login. For a call of a user, the code page has
        # shown the owner already.
        if seen and seen.ownership in (Ownership.OFFERED, Ownership.TAKEN) and not seen.attempt.had_user:
            self.save_flow(replace(self.flow, next=self.ticket.next or self.flow.next))
            return self.show(attempt_step(seen, CodeForm(), None), next_=self.flow.next)
        goes_on = seen is None or seen.attempt.status != Status.VERIFIED
        next_ = self.ticket.next or (self.flow.next if goes_on else "")
        if seen:
            form = focused(phone_form(self.form_class, notice, auto_id=CardPlace().auto_id))
            return self.show(number_step(form, notice), next_=next_)
        is_lost = LOST in request.GET
        step = first_step(request, self.form_class, notice, place=CardPlace(self.purpose), is_lost=is_lost)
        return self.show(step, next_=next_)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        response = self.request_call(request)
        last = LastRequest(request.POST.get("number", ""), has_call=not self.has_notice("number"))
        set_request_cookie(response, request, self.purpose, last)
        return response

    @sensitive_variables()
    def request_call(self, request: HttpRequest) -> HttpResponseBase:
        """Request the call. Returns a redirect to the code page, or to the start page with the reason."""
        before = replace(self.flow, next=self.ticket.next)
        form = self.form_class(request.POST)
        if not form.is_valid():
            code = InvalidNumber.code if "number" in form.errors else ""
            return self.redirect_with_notice(before, Notice("number", code), form)
        number = form.cleaned_data["number"]
        try:
            attempt = self.start(number)
        except VerificationRefused as refusal:
            if self.has_open_call(number, before):
                return self.redirect_to_page("code")
            return self.redirect_with_notice(before, notice_of(refusal, about="number"), form)
        self.save_flow(Flow(attempt.uuid, self.ticket.next))
        return self.redirect_to_page("code")

    @sensitive_variables("number")
    def start(self, number: str) -> VerificationAttempt:
        """Request the call with the id of the form, so that a form that is sent twice requests one call.

        A form that was used before, for example after the back button, gets a new id. Raises VerificationRefused if the
        call was rejected or failed.
        """
        for attempt_id in (self.ticket.new_attempt(number, owner_id(self.user)), uuid4()):
            self.save_flow(Flow(attempt_id, self.ticket.next))
            save_session(self.request, session_of(self.request))
            try:
                attempt = limits.start_verification(
                    self.request, number, user=self.user, purpose=self.purpose, attempt_uuid=attempt_id
                )
            except AttemptNotFound:
                continue
            if attempt.status not in OUTDATED_STATUSES or was_uncheckable(attempt):
                return not_failed(attempt, user=self.user)
        raise Unavailable

    @sensitive_variables("number")
    def has_open_call(self, number: str, before: Flow) -> bool:
        """Return whether this session already has an open call to the number. Then the code page is shown."""
        self.save_flow(before)
        seen = load_seen_attempt(self.request, self.purpose)
        return seen is not None and is_open(seen) and seen.attempt.number == number

    def redirect_with_notice(self, before: Flow, notice: Notice, form: PhoneForm) -> HttpResponseBase:
        """Save the notice and redirect to the page with the form.

        The typed values are kept only if the person can correct them now, which is not so during a wait.
        """
        if not notice.wait:
            typed = read_posted(form)
            notice = replace(notice, typed=typed.values, problems=typed.problems)
        self.save_flow(replace(before, notice=notice))
        return self.redirect_to_page("start")


class CodeView(PhonePage):
    """Shows the status of the call, asks for the code and shows the result.

    Telroi may read out fewer digits than requested. So the page asks once whether a short code is complete. The ticket
    of the form records the question, so both requests of a double click get the question.
    """

    form_class: type[CodeForm] = CodeForm

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = load_seen_attempt(request, self.purpose)
        if self.has_notice("number"):
            return HttpResponseRedirect(page_url("start", self.purpose))
        if seen is None:
            return HttpResponseRedirect(page_url("start", self.purpose, LOST))
        if step_name(seen) == "done":
            return HttpResponseRedirect(page_url("done", self.purpose))
        notice = pop_notice(request, self.purpose)
        form = focused(self.form_class(auto_id=CardPlace().auto_id, code_length=seen.attempt.code_length))
        return self.show(attempt_step(seen, form, notice), next_=self.flow.next)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older_call(request, self.purpose)
        attempt_id = self.flow.shown or self.ticket.shown_attempt
        if attempt_id is None:
            return self.redirect_to_page("start")
        newest = self.flow.attempt or attempt_id
        flow = replace(self.flow, attempt=newest, next=self.ticket.next or self.flow.next, notice=None)
        form = self.form_class(request.POST)
        if notice := self.reason_not_to_check(form, attempt_id):
            self.save_flow(replace(flow, notice=notice))
            return self.redirect_to_page("code")
        code = form.cleaned_data["code"]
        judge_short = self.ticket.asked_digits == len(code)
        try:
            result = limits.check_code(request, attempt_id, code, user=self.user, judge_short=judge_short)
        except AttemptNotFound:
            self.save_flow(without_attempt(replace(flow, attempt=attempt_id, older=None)))
            return self.redirect_to_page("start")
        except VerificationRefused as refusal:
            self.save_flow(replace(flow, notice=notice_of_check(refusal)))
            return self.redirect_to_page("code")
        session_has_ended = self.flow.attempt is None or self.flow.is_renewed
        if result.outcome == CheckOutcome.VERIFIED and not result.was_judged and session_has_ended:
            return self.follow_first_click(attempt_id, flow)
        result = add_number_after_login(request, self.flow, result)
        if result.outcome in (CheckOutcome.VERIFIED, CheckOutcome.NUMBER_TAKEN):
            flow = Flow(attempt_id, flow.next, is_proven=True)
        if result.outcome == CheckOutcome.VERIFIED:
            return self.succeed(result, flow)
        self.save_flow(replace(flow, notice=notice_of_result(result, digits=len(code))))
        return self.redirect_to_page("code")

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
        return response

    def follow_first_click(self, attempt_id: UUID, flow: Flow) -> HttpResponseBase:
        """Redirect to the same URL as the first request with the right code, which has replaced this session.

        This is the second request of a double click, or the first response did not arrive. The response does not change
        the session cookie, because after a double click the browser has the cookie of the new session by now. For a
        browser that does not have it, the response sets the cookie of ``remember_proven``.
        """
        self.request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        self.request.session = type(self.request.session)()  # so the middleware saves nothing and sets no cookie
        response = self.redirect(self.get_success_url(flow))
        delete_request_cookie(response, self.request)
        remember_proven(response, self.request, attempt_id, purpose=self.purpose)
        return response

    def phone_verified(self, result: CheckResult) -> None:
        """Override this to react to a verified number. ``result.proof`` is set if the number belongs to no account."""


class StatusView(PhonePage):
    """Returns the state of the card and the status of the attempt as JSON, for the script."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = load_seen_attempt(request, self.purpose)
        if seen is None:
            return JsonResponse({"step": "number", "status": None})
        return JsonResponse({"step": card_state_name(seen), "status": seen.attempt.status})


class DoneView(PhonePage):
    """Shows that the number is verified, or redirects to the start page."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = load_seen_attempt(request, self.purpose)
        if seen is None or step_name(seen) != "done":
            return HttpResponseRedirect(page_url("start", self.purpose))
        return self.show(attempt_step(seen, CodeForm(), None), next_=self.flow.next)
