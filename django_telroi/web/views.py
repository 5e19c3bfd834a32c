"""The pages. Each answers a GET with a card and a POST with a redirect; what a POST came to is shown where that leads.

They are meant to be subclassed. Put your own beside the others under the names of ``django_telroi.urls``, in the
namespace ``telroi``, and every link and form finds them.
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
from django_telroi.web.add_number import AddNumberView, give_number
from django_telroi.web.asked import Asked, forget_asked, remember_asked
from django_telroi.web.call_views import CallAgainView, ChangeNumberView, not_failed
from django_telroi.web.card_state import first_step, focused, phone_form, seen_by, settle_older, without_attempt
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
    renew_session,
    save_now,
    take_notice,
)
from django_telroi.web.steps import is_open, number_step, state_of, step_name, step_of
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
"""In the address of a page that was come to for a call that the session does not know."""

OUTLIVED = FINAL - {Status.FAILED}
"""An attempt in one of these does not answer a form that asks for a call now: the form is an old one."""


class StartView(PhonePage):
    """Asks for the number and has it called. ``form_class`` may ask for more than the number."""

    form_class: type[PhoneForm] = PhoneForm

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """The question, unless a call is under way: then its code is asked for."""
        seen = seen_by(request, self.purpose)
        if seen and is_open(seen) and not self.has_answer("number"):
            # Who comes from a gate goes back there, though the call was asked for elsewhere.
            self.keep(replace(self.flow, next=self.ticket.next or self.flow.next))
            return HttpResponseRedirect(page_url("code", self.purpose))
        answer = take_notice(request, self.purpose) if self.has_answer("number") else None
        # Who verified before they logged in. Of a user's own call the code page has said whose the number is.
        if seen and seen.holding in (Ownership.OFFERED, Ownership.TAKEN) and not seen.attempt.had_user:
            self.keep(replace(self.flow, next=self.ticket.next or self.flow.next))
            return self.show(step_of(seen, CodeForm(), None), next_=self.flow.next)
        goes_on = seen is None or seen.attempt.status != Status.VERIFIED
        next_ = self.ticket.next or (self.flow.next if goes_on else "")
        if seen:
            form = focused(phone_form(self.form_class, answer, auto_id=CardPlace().auto_id))
            return self.show(number_step(form, answer), next_=next_)
        is_lost = LOST in request.GET
        step = first_step(request, self.form_class, answer, place=CardPlace(self.purpose), is_lost=is_lost)
        return self.show(step, next_=next_)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        response = self.ask(request)
        asked = Asked(request.POST.get("number", ""), has_call=not self.has_answer("number"))
        remember_asked(response, request, self.purpose, asked)
        return response

    @sensitive_variables()
    def ask(self, request: HttpRequest) -> HttpResponseBase:
        """Request the call, or say why not."""
        before = replace(self.flow, next=self.ticket.next)
        form = self.form_class(request.POST)
        if not form.is_valid():
            code = InvalidNumber.code if "number" in form.errors else ""
            return self.refuse(before, Notice("number", code), form)
        number = form.cleaned_data["number"]
        try:
            attempt = self.start(number)
        except VerificationRefused as refusal:
            if self.is_under_way(number, before):
                return self.go_on("code")
            return self.refuse(before, notice_of(refusal, about="number"), form)
        self.keep(Flow(attempt.uuid, self.ticket.next))
        return self.go_on("code")

    @sensitive_variables("number")
    def start(self, number: str) -> VerificationAttempt:
        """Ask for the call, with the id that the form brought: sent twice, it is one call.

        A form that was used before, as after the browser's back button, is given a new id. Raises VerificationRefused,
        for a call that failed too.
        """
        for attempt_id in (self.ticket.new_attempt(number, owner_id(self.user)), uuid4()):
            self.keep(Flow(attempt_id, self.ticket.next))
            save_now(self.request)
            try:
                attempt = limits.start_verification(
                    self.request, number, user=self.user, purpose=self.purpose, attempt_uuid=attempt_id
                )
            except AttemptNotFound:
                continue
            if attempt.status not in OUTLIVED or was_uncheckable(attempt):
                return not_failed(attempt, user=self.user)
        raise Unavailable

    @sensitive_variables("number")
    def is_under_way(self, number: str, before: Flow) -> bool:
        """Whether this person already has a call to that very number: then its code is what they want."""
        self.keep(before)
        seen = seen_by(self.request, self.purpose)
        return seen is not None and is_open(seen) and seen.attempt.number == number

    def refuse(self, before: Flow, notice: Notice, form: PhoneForm) -> HttpResponseBase:
        """Say why not, where the form stands. What was typed is kept only to be typed over."""
        if not notice.wait:
            typed = read_posted(form)
            notice = replace(notice, typed=typed.values, problems=typed.problems)
        self.keep(replace(before, notice=notice))
        return self.go_on("start")


class CodeView(PhonePage):
    """Follows the call, asks for the code, and says what became of both.

    Telroi may read out fewer digits than were asked for, so a short code is asked about once. The question is in the
    ticket of the form that it is shown with: both halves of a double click are asked.
    """

    form_class: type[CodeForm] = CodeForm

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = seen_by(request, self.purpose)
        if self.has_answer("number"):
            return HttpResponseRedirect(page_url("start", self.purpose))
        if seen is None:
            return HttpResponseRedirect(page_url("start", self.purpose, LOST))
        if step_name(seen) == "done":
            return HttpResponseRedirect(page_url("done", self.purpose))
        notice = take_notice(request, self.purpose)
        form = focused(self.form_class(auto_id=CardPlace().auto_id, code_length=seen.attempt.code_length))
        return self.show(step_of(seen, form, notice), next_=self.flow.next)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        settle_older(request, self.purpose)
        attempt_id = self.flow.shown or self.ticket.shown_attempt
        if attempt_id is None:
            return self.go_on("start")
        newest = self.flow.attempt or attempt_id
        flow = replace(self.flow, attempt=newest, next=self.ticket.next or self.flow.next, notice=None)
        form = self.form_class(request.POST)
        if notice := self.reason_not_to_judge(form, attempt_id):
            self.keep(replace(flow, notice=notice))
            return self.go_on("code")
        code = form.cleaned_data["code"]
        judge_short = self.ticket.asked_digits == len(code)
        try:
            result = limits.check_code(request, attempt_id, code, user=self.user, judge_short=judge_short)
        except AttemptNotFound:
            self.keep(without_attempt(replace(flow, attempt=attempt_id, older=None)))
            return self.go_on("start")
        except VerificationRefused as refusal:
            self.keep(replace(flow, notice=notice_of_check(refusal)))
            return self.go_on("code")
        has_ended = self.flow.attempt is None or self.flow.is_renewed
        if result.outcome == CheckOutcome.VERIFIED and not result.was_judged and has_ended:
            return self.follow_first_click(attempt_id, flow)
        result = give_number(request, self.flow, result)
        if result.outcome in (CheckOutcome.VERIFIED, CheckOutcome.NUMBER_TAKEN):
            flow = Flow(attempt_id, flow.next, is_proven=True)
        if result.outcome == CheckOutcome.VERIFIED:
            return self.succeed(result, flow)
        self.keep(replace(flow, notice=notice_of_result(result, digits=len(code))))
        return self.go_on("code")

    @sensitive_variables()
    def reason_not_to_judge(self, form: CodeForm, attempt_id: UUID) -> Notice | None:
        """What to say instead of using a try: this is no code, or is about an older call."""
        if self.ticket.shown_attempt not in (None, attempt_id):
            return Notice("code", NEWER_CALL)
        if not form.is_valid():
            return Notice("code", CheckOutcome.INVALID_CODE, length_fit=misfit_of(form.data.get("code", "")) or "")
        return None

    @sensitive_variables("result")
    def succeed(self, result: CheckResult, flow: Flow) -> HttpResponseBase:
        """An anonymous session gets a new key: whoever knew the old one has no part in what was proven now.

        A user's got its own when they logged in. Another now would log them out: their next request may be on its way
        with the old one.
        """
        self.keep(flow)
        if self.user is None or not self.user.is_authenticated:
            renew_session(self.request, self.purpose, flow)
        self.phone_verified(result)
        response = self.go(self.get_success_url(flow))
        forget_asked(response, self.request)
        return response

    def follow_first_click(self, attempt_id: UUID, flow: Flow) -> HttpResponseBase:
        """The right code again, with a session that its first answer has ended: lead to the same place.

        It is the second half of a double click, or the first answer never arrived. The session's cookie is left as it
        is: after a double click the browser has its new one by now, with all that the session held. A cookie of its own
        serves the browser that has none.
        """
        self.request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        self.request.session = type(self.request.session)()  # nothing is saved, and no cookie set, by the middleware
        response = self.go(self.get_success_url(flow))
        forget_asked(response, self.request)
        remember_proven(response, self.request, attempt_id, purpose=self.purpose)
        return response

    def phone_verified(self, result: CheckResult) -> None:
        """For subclasses: the number is verified. ``result.proof`` is set while it belongs to no account."""


class StatusView(PhonePage):
    """For our script: which step the card of a call has come to."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = seen_by(request, self.purpose)
        if seen is None:
            return JsonResponse({"step": "number", "status": None})
        return JsonResponse({"step": state_of(seen), "status": seen.attempt.status})


class DoneView(PhonePage):
    """The number is verified."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = seen_by(request, self.purpose)
        if seen is None or step_name(seen) != "done":
            return HttpResponseRedirect(page_url("start", self.purpose))
        return self.show(step_of(seen, CodeForm(), None), next_=self.flow.next)
