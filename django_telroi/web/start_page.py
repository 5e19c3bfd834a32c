"""The start page: it asks for the number and requests the call. See "A call" in docs/explanation/how.rst."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse, QueryDict
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables

from django_telroi import limits
from django_telroi.domain.states import FINAL, Status
from django_telroi.errors import (
    AttemptNotFound,
    CallsStopped,
    InvalidNumber,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import VerificationAttempt
from django_telroi.services import Consent
from django_telroi.services.accounts.ownership import Ownership
from django_telroi.services.attempts.status import was_uncheckable
from django_telroi.services.calls.refusals import consent_shown
from django_telroi.services.shared.arguments import owner_id, stored_number
from django_telroi.web import card_texts
from django_telroi.web.attempt_steps import attempt_step
from django_telroi.web.card_problems import form_problem_step
from django_telroi.web.card_state import (
    first_step,
    focused,
    phone_form,
    settle_and_load_attempt,
    stored_first_step,
    unless_stopped,
)
from django_telroi.web.cards import CardPlace
from django_telroi.web.cookies import LastRequest, remember_typed, set_request_cookie, was_typed_here
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.kept_call import NOT_PLACED_YET, NoCallNeeded, cancel_call
from django_telroi.web.notices import FORGOTTEN, Notice, notice_of, shown_waiting_number, with_number
from django_telroi.web.page_guards import save_session
from django_telroi.web.pages import IN_PLACE, LOST, STORED, PhonePage, raise_if_failed
from django_telroi.web.posted_values import read_posted
from django_telroi.web.seen_attempt import is_open
from django_telroi.web.session import Flow, form_options, pop_notice, remember_country, session_of
from django_telroi.web.steps import ABOUT_THE_FORM, number_step, stored_lost_step, with_way_back
from django_telroi.web.text_language import call_language
from django_telroi.web.tickets import open_number, share_id_with_tabs

SEALED = "sealed"
"""The field of the button that requests the same call after a wait."""

OUTDATED_STATUSES = FINAL - {Status.FAILED}
"""If the attempt of a form has one of these statuses, the form is an old one and its attempt is not reused."""


class StartView(PhonePage):
    """Asks for the number and requests the call. ``form_class`` may have more fields than the number."""

    form_class: type[PhoneForm] = PhoneForm
    _counted_number = ""
    """The number of this request (E.164) once the rate limits counted it. Only then may the answer depend on whether
    it is a number that the session does not show: otherwise the masked digits could be found by trying."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the form for the number, or a redirect to the code page if a call is open."""
        if STORED in request.GET:
            return self.get_stored()
        seen = settle_and_load_attempt(request, self.purpose)
        if seen and is_open(seen) and not self.has_notice("number") and not self.flow.is_changing:
            # A visitor who comes from a gate returns there, although another page requested the call.
            self.save_flow(replace(self.flow, next=self.ticket.next or self.flow.next))
            return HttpResponseRedirect(self.page_url("code"))
        notice = pop_notice(request, self.purpose) if self.has_notice("number") else None
        # Offer the number only if the person verified it before the login. For a call of a user, the code page has
        # shown the owner already.
        if seen and seen.ownership in (Ownership.OFFERED, Ownership.TAKEN) and not seen.attempt.had_user:
            self.save_flow(replace(self.flow, next=self.ticket.next or self.flow.next))
            return self.show(attempt_step(seen, CodeForm(), None), next_=self.flow.next)
        # After a success the form starts another verification, and its ``next`` must come from this URL.
        goes_on = seen is None or seen.attempt.status != Status.VERIFIED
        next_ = self.ticket.next or (self.flow.next if goes_on else "")
        if seen:
            form = focused(phone_form(request, self.get_form_class(), notice, auto_id=CardPlace().auto_id))
            step = with_way_back(number_step(form, notice), seen)
            return self.show(unless_stopped(step, notice), next_=next_)
        is_lost = LOST in request.GET
        step = first_step(request, self.get_form_class(), notice, place=CardPlace(self.purpose), is_lost=is_lost)
        return self.show(step, next_=next_)

    def get_stored(self) -> HttpResponseBase:
        """Return the button that calls the number on file, which ``save_stored_number`` wrote to the session."""
        number = open_number(self.flow.stored, self.request)
        next_ = self.ticket.next or self.flow.next
        if number is None:
            return self.show(stored_lost_step(), next_=next_)
        stored, seen = stored_number(number), settle_and_load_attempt(self.request, self.purpose)
        is_of_number = seen is not None and seen.attempt.number == stored.number
        if seen and is_of_number and is_open(seen) and not self.has_notice("number"):
            self.save_flow(replace(self.flow, next=next_))
            return HttpResponseRedirect(self.page_url("code"))
        notice = pop_notice(self.request, self.purpose) if self.has_notice("number") else None
        is_lost = LOST in self.request.GET
        step = stored_first_step(self.request, stored, notice, purpose=self.purpose, is_lost=is_lost)
        return self.show(step, next_=next_, stored=stored)

    @sensitive_variables()
    def post(self, request: HttpRequest) -> HttpResponseBase:
        if STORED in request.POST and open_number(self.ticket.stored, request) is None:
            return self.refuse_stored()
        response = self.request_call(request)
        self.remember_typed_number(response)
        # Also after a rejection: the number must come back if the browser keeps this cookie and not the session's.
        # A number that was not typed is not shown whole in this browser, so the cookie does not keep it.
        typed = "" if SEALED in request.POST else self.typed_number
        last = LastRequest(typed, has_call=not self.has_notice("number"))
        set_request_cookie(response, request, self.purpose, last)
        return response

    def refuse_stored(self) -> HttpResponseBase:
        """Return the response (403) for a number on file whose ticket is invalid, old or of another user.

        It is no redirect to the form for a number, because the site did not ask the person to type one.
        """
        if IN_PLACE in self.request.headers:
            return JsonResponse({"problem": card_texts.stored_refused()}, status=403)
        return self.show(form_problem_step(card_texts.stored_refused()), status=403)

    @sensitive_variables()
    def request_call(self, request: HttpRequest) -> HttpResponseBase:
        """Request the call. Returns a redirect to the code page, or to the start page with the reason."""
        before = self.begin(self.flow)
        if SEALED in request.POST and not self.typed_number:
            self.save_flow(replace(before, notice=before.notice or Notice("number", FORGOTTEN)))
            return self.redirect_to_page("start")
        stored = open_number(self.ticket.stored, request)
        form = (
            self.get_form_class()(self.typed_values(), **form_options(request))
            if stored is None
            else PhoneForm({"number": stored})
        )
        if not form.is_valid():
            code = InvalidNumber.code if "number" in form.errors else ""
            return self.redirect_with_notice(before, Notice("number", code), form)
        number = form.cleaned_data["number"]
        remember_country(request, form, number)
        ringing = self.find_ringing_call()
        kept = (self.flow.kept or self.flow.attempt) if ringing else None
        try:
            attempt = self.start(number, kept=kept, ringing=ringing, consent=consent_shown(self.ticket.consent))
        except NoCallNeeded as known:
            if known.notice:
                return self.redirect_with_notice(before, known.notice, form)
            return self.back_to_code(before)
        except VerificationRefused as refusal:
            # The cooldown of the person's own open call rejected this one. They need the code page, not the reason.
            if self._counted_number and self.has_open_call(number, before):
                return self.redirect_to_page("code")
            return self.redirect_with_notice(before, notice_of(refusal, about="number"), form)
        if ringing and attempt.uuid in (ringing.uuid, kept):  # the form that requested this call was sent again
            return self.back_to_code(before)
        return self.go_to_code(attempt, kept=kept)

    @cached_property
    def typed_number(self) -> str:
        """The number as it was typed, or that of a wait (field ``sealed``), ``""`` if it has expired."""
        if SEALED not in self.request.POST:
            return str(self.request.POST.get("number", ""))
        return shown_waiting_number(self.request, self.flow.notice, self.request.POST[SEALED])

    @sensitive_variables()
    def typed_values(self) -> QueryDict:
        """Return the values of the form."""
        typed = self.request.POST.copy()
        typed["number"] = self.typed_number
        return typed

    def find_ringing_call(self) -> VerificationAttempt | None:
        """Return the call that is still open although the person asked for another number, None if there is none.

        It is read only after "Change number", so any other start executes no statement for it.
        """
        if not self.flow.is_changing and self.flow.kept is None:
            return None
        seen = settle_and_load_attempt(self.request, self.purpose)
        return seen.attempt if seen and is_open(seen) else None

    def back_to_code(self, before: Flow) -> HttpResponseBase:
        """Redirect to the code of the open call: the person went back to the form and typed the same number."""
        self.save_flow(replace(before, is_changing=False))
        return self.redirect_to_page("code")

    def go_to_code(self, attempt: VerificationAttempt, *, kept: UUID | None) -> HttpResponseBase:
        """Save the flow with the requested call, close the call to the former number, and redirect to the code page."""
        flow = self.begin(Flow(attempt.uuid, kept=kept))
        if kept and attempt.status not in NOT_PLACED_YET:
            with suppress(Unavailable):  # this phone rings; the next page closes the other call
                closed = cancel_call(kept, user=self.user)
                if closed and closed.status == Status.VERIFIED:
                    # Its code was typed in another tab while this call was placed. That tab has the success.
                    self.drop_session_changes()
                    return self.redirect_to_page("code")
                flow = replace(flow, kept=None)
        self.save_flow(flow)
        return self.redirect_to_page("code")

    def get_form_class(self) -> Callable[..., PhoneForm]:
        """Return the class of the form, or a function with the same arguments."""
        return self.form_class

    def begin(self, flow: Flow) -> Flow:
        """Return the flow with the values of this page's form."""
        return replace(flow, next=self.ticket.next, stored=self.ticket.stored, replaces="", why=self.ticket.why)

    @sensitive_variables("number")
    def start(
        self,
        number: str,
        *,
        kept: UUID | None = None,
        ringing: VerificationAttempt | None = None,
        consent: Consent | None = None,
    ) -> VerificationAttempt:
        """Request the call with the id of the form, so that a form that is sent twice requests one call.

        A form that was used before, for example after the back button, gets a new id. A form of another tab that
        requests the same call at the same time has the id of the first one. ``kept``: the open call to the former
        number. ``ringing``: the call on show. ``consent``: what the form showed. Raises VerificationRefused if the call
        was rejected or failed, and NoCallNeeded.
        """
        own_id = self.ticket.attempt_id_for(number, owner_id(self.user))
        shared_id = share_id_with_tabs(self.request, own_id, number, purpose=self.purpose)
        for attempt_id in dict.fromkeys((shared_id, own_id, uuid4())):
            try:
                attempt = limits.start_verification(
                    self.request,
                    number,
                    user=self.user,
                    purpose=self.purpose,
                    language=call_language(),
                    attempt_uuid=attempt_id,
                    once_counted=partial(self.prepare_call, attempt_id, kept=kept, ringing=ringing),
                    consent=consent,
                )
            except AttemptNotFound:
                continue  # the id is taken by an attempt of another user or another number
            self._counted_number = number  # a retry was counted before
            if attempt.status == Status.FAILED and attempt_id != own_id:
                continue  # the call of the other tab has failed, and this form asks for another one
            if attempt.status not in OUTDATED_STATUSES or was_uncheckable(attempt):
                return raise_if_failed(attempt, user=self.user)
        raise Unavailable

    @sensitive_variables()
    def prepare_call(
        self, attempt_id: UUID, number: str, *, kept: UUID | None, ringing: VerificationAttempt | None
    ) -> None:
        """Compare the counted ``number`` (E.164) with the known ones, then save the flow of the call to the session."""
        self._counted_number = number
        self.compare(number, ringing)
        # Saved before the call. A second click then finds this id, and a killed process leaves a session that knows its
        # call.
        self.save_flow(self.begin(Flow(attempt_id, kept=kept)))
        save_session(self.request, session_of(self.request))

    @sensitive_variables()
    def compare(self, number: str, ringing: VerificationAttempt | None) -> None:
        """Raise NoCallNeeded if ``number`` (E.164) is that of the call on show. The request is counted already."""
        if ringing and ringing.number == number:
            raise NoCallNeeded

    @sensitive_variables()
    def remember_typed_number(self, response: HttpResponseBase) -> None:
        """Set the cookie for the number of this request if a person typed it here, now or before the wait."""
        number = self._counted_number
        if not number or self.ticket.stored:
            return
        if SEALED not in self.request.POST or was_typed_here(self.request, self.purpose, number):
            remember_typed(response, self.request, self.purpose, number)

    @sensitive_variables("number")
    def has_open_call(self, number: str, before: Flow) -> bool:
        """Save the flow. Return whether this session has an open call to the number. Then the code page is shown."""
        self.save_flow(before)
        seen = settle_and_load_attempt(self.request, self.purpose)
        return seen is not None and is_open(seen) and seen.attempt.number == number

    def redirect_with_notice(self, before: Flow, notice: Notice, form: PhoneForm) -> HttpResponseBase:
        """Save the notice and redirect to the page with the form.

        The typed values are kept only if the person can correct them now, which is not so during a wait. During a wait
        the number is kept for the button that requests the same call.
        """
        others = [field for name, field in form.fields.items() if name != "number"]
        has_to_wait = notice.wait or notice.code == CallsStopped.code
        # The button of a call that had to wait: the same button is shown again, with the reason.
        is_repeatable = SEALED in self.request.POST and notice.code in ABOUT_THE_FORM
        if (has_to_wait or is_repeatable) and not any(field.required for field in others):
            notice = with_number(notice, form.cleaned_data["number"], self.request)
        elif not has_to_wait and not before.stored and SEALED not in self.request.POST:
            typed = read_posted(form)
            notice = replace(notice, typed=typed.values, problems=typed.problems)
        self.save_flow(replace(before, notice=notice))
        return self.redirect_to_page("start")
