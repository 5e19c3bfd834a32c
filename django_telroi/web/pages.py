"""The base class of all pages: its guards, its flow in the session, its response and its redirects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import BadRequest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.functional import cached_property
from django.views.decorators.cache import never_cache
from django.views.generic import View

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.errors import InvalidPurpose, Misconfigured, Unavailable, UserNotFound
from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import NumbersUnreadable
from django_telroi.services.attempts.status import status_of
from django_telroi.services.calls.request import MAX_PURPOSE_LENGTH
from django_telroi.services.requester import hide_what_was_posted, is_cut_off
from django_telroi.services.shared.arguments import StoredNumber
from django_telroi.services.shared.secrets import length_of, new_nonce
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections, log_unreadable_numbers
from django_telroi.web import card_texts
from django_telroi.web.attempt_steps import attempt_step
from django_telroi.web.card_problems import form_problem_step, problem_step, purpose_problem, unavailable_page
from django_telroi.web.card_state import focused, settle_and_load_attempt
from django_telroi.web.cards import NAMESPACE, CardPlace, card_at, goal_of, is_safe, page_url
from django_telroi.web.cookies import read_request_cookie
from django_telroi.web.forms import CodeForm, PhoneForm
from django_telroi.web.notices import About, Notice
from django_telroi.web.page_guards import (
    csrf_protect_with_card,
    login_by_purpose,
    save_if_possible,
    tolerate_failed_save,
)
from django_telroi.web.posted_values import MAX_VALUE_LENGTH
from django_telroi.web.seen_attempt import Seen
from django_telroi.web.session import Flow, form_options, read_flow, save_flow, session_of
from django_telroi.web.steps import (
    Step,
    changed_step,
    number_step,
    stored_step,
    with_reason,
    with_rejection,
    without_other_number,
)
from django_telroi.web.tickets import Ticket, open_number, read_ticket, ticket_of_same_place

LOST = "lost"
"""Query parameter of the start page: the session does not know the call."""

WHY = "why"
"""Query parameter of the start page: the reason of a gate, a key of ``card_texts.GATE_REASONS``."""

STORED = "stored"
"""Query parameter of the start page: the session knows the number on file. Also a field of forms."""

IN_PLACE = "X-Telroi-In-Place"
"""Request header of the script, for a card in a page of the site. The response is JSON with the URL, not a redirect."""


def raise_if_failed(attempt: VerificationAttempt, *, user: AbstractBaseUser | None) -> VerificationAttempt:
    """Return the attempt. Raises VerificationRefused with the reason if the attempt failed.

    ``services`` raise only before the attempt is saved, and return an attempt whose call failed afterwards. The pages
    show the same card for both.
    """
    if attempt.status == Status.FAILED:
        raise status_of(attempt, user=user).refusal or Unavailable()
    return attempt


class PhonePage(View):
    """Base class of the pages of a verification. ``template_name`` is rendered with ``card`` and ``step``."""

    template_name = "telroi/page.html"
    namespace = NAMESPACE

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view with its CSRF check, login check, cache headers and redaction.

        They wrap the view here, so a subclass that overrides a method keeps them. ``ATOMIC_REQUESTS`` is off for every
        database, because a rollback must not undo the record of a placed call or of a checked code.
        """

        def page_for(request: HttpRequest) -> PhonePage:
            page = cls(**initkwargs)
            page.setup(request)
            return page

        # From the inside out. The login check is inside the CSRF check, in the order of Django's own middleware. The
        # purpose may be in the signed ticket of the form, so only a page can read it.
        view = login_by_purpose(super().as_view(**initkwargs), lambda request: page_for(request).purpose)
        view = csrf_protect_with_card(view, card=lambda request, sent: page_for(request).rejected_form(sent))
        view = never_cache(hide_what_was_posted(view))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if is_cut_off(request):
            raise BadRequest("The body is shorter than its Content-Length.")
        # Kept, because the view may replace request.session.
        session = session_of(request)
        answer, code = None, ""
        try:
            answer = self.answer(request, *args, **kwargs)
            # The notice is a message for the page after the redirect. If the session was not saved, it is lost, so
            # this response must report the error.
            if not save_if_possible(request, session) and self.flow.notice:
                answer = None
        except Unavailable:
            pass  # it was logged where it was raised
        except DATABASE_LOST as error:
            close_lost_connections(error)
        except NumbersUnreadable:  # the session has a number, or will get one
            log_unreadable_numbers()
            code = Misconfigured.code

        # Also after an error: the middleware saves the session in any case, and the database is likely to fail again.
        tolerate_failed_save(request, session)
        return answer or unavailable_page(request, self.template_name, namespace=self.namespace, code=code)

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the page's response. Raises Unavailable or a database error if the database is unavailable."""
        if not self.has_known_purpose():
            return self.show(purpose_problem(), status=InvalidPurpose.http_status)
        try:
            return super().dispatch(request, *args, **kwargs)
        except UserNotFound:  # the user was deleted during this request, so the next request is anonymous
            return self.redirect_to_page("start")

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Return a response with status 405 and a link back, for a GET of a URL that takes only POST.

        It happens after a login that redirects to the URL of a button.
        """
        response = super().http_method_not_allowed(request, *args, **kwargs)
        response.content = self.show(problem_step()).content
        return response

    def rejected_form(self, has_cookie: bool) -> HttpResponse:  # noqa: FBT001 - as ``RejectedForm`` is called
        """Return the response (403) for a form that the CSRF check rejected, with the reason and a form to send again.

        The form is not checked yet, and any other site can send one. So only the number is repeated, nothing that is
        typed is stored, and no call is placed.
        """
        try:
            return self._answer_rejected_form(has_cookie=has_cookie)
        except Unavailable:
            pass  # it was logged where it was raised
        except DATABASE_LOST as error:  # of the session
            close_lost_connections(error)
        return unavailable_page(self.request, self.template_name, namespace=self.namespace)

    def _answer_rejected_form(self, *, has_cookie: bool) -> HttpResponse:
        # A number on file that this user cannot send again. The page must be opened again.
        is_lost = STORED in self.request.POST and open_number(self.ticket.stored, self.request) is None
        reason = self._reason_of_rejection(is_lost=is_lost) if has_cookie else card_texts.no_cookie()
        if IN_PLACE in self.request.headers:
            # The form stays on the page. With its old token it would be rejected again.
            return JsonResponse({"problem": reason, "token": get_token(self.request)}, status=403)
        if is_lost:
            return self.show(form_problem_step(reason), status=403)
        number = self.request.POST.get("number", "")[:MAX_VALUE_LENGTH]
        seen = None if number else settle_and_load_attempt(self.request, self.purpose)
        if seen:
            code_form = focused(CodeForm(auto_id=CardPlace().auto_id, code_length=length_of(seen.attempt).expected))
            return self.show_attempt(seen, code_form, None, reason=reason, status=403)
        stored = open_number(self.ticket.stored, self.request)
        place = CardPlace(
            purpose=self.purpose if self.has_known_purpose() else "",
            next=self.ticket.next,
            back=self.back,
            stored=StoredNumber(stored) if stored else None,
            why=self.ticket.why,
            namespace=self.namespace,
        )
        if place.stored:
            step = stored_step(place.stored, None, message=reason)
        else:
            step = with_rejection(number_step(self._form_again(number), None), reason)
        return self.show_at(place, with_reason(step, place.why), attempt=None, status=403)

    def _reason_of_rejection(self, *, is_lost: bool) -> str:
        """Return why a form with an outdated token was rejected. ``is_lost``: it cannot be sent again."""
        if is_lost:
            return card_texts.stored_refused()
        # The session has ended, so it knows no call to which the code could be sent again.
        is_code_lost = "code" in self.request.POST and not self.flow.shown
        return card_texts.outdated_code() if is_code_lost else card_texts.outdated_form()

    def _form_again(self, number: str) -> PhoneForm:
        """Return the form with the number that was posted, else with the number that this browser typed before."""
        options = form_options(self.request) | {"auto_id": CardPlace().auto_id}
        if number:
            return focused(PhoneForm({"number": number}, **options))
        last = read_request_cookie(self.request, self.purpose)
        return focused(PhoneForm(initial={"number": last.typed} if last else None, **options))

    @cached_property
    def ticket(self) -> Ticket:
        """The ticket of the form, a new one for its place if it is outdated, else one with values of the URL.

        ``purpose`` and ``next`` are limited in length here, because without a signature a visitor can send any text,
        and pages, forms and the session repeat it.
        """
        sent = self.request.POST if self.request.method == "POST" else self.request.GET
        text = sent.get("ticket", "")
        if ticket := read_ticket(text, self.request) or ticket_of_same_place(text):
            return ticket
        purpose, next_ = (sent.get(name, self.request.GET.get(name, "")) for name in ("purpose", "next"))
        # Keep one character more than allowed. Cut to the limit, an unknown purpose could become a known one.
        purpose = purpose[: MAX_PURPOSE_LENGTH + 1]
        why = sent.get(WHY, "")
        return Ticket(
            new_nonce(),
            purpose=purpose,
            next=next_ if is_safe(next_, self.request) else "",
            why=why if why in card_texts.GATE_REASONS else "",
        )

    @property
    def purpose(self) -> str:
        return self.ticket.purpose

    def has_known_purpose(self) -> bool:
        """Return whether the site has the purpose. A visitor can request any."""
        return self.purpose in conf.purposes()

    @property
    def back(self) -> str:
        """The URL of the page of the site that includes the card, ``""`` if the card is on one of these pages."""
        # Checked again, because the ticket may have been signed on another host of the site.
        return self.ticket.back if is_safe(self.ticket.back, self.request) else ""

    @property
    def user(self) -> AbstractBaseUser | None:
        """``request.user``, which may be anonymous. None on a site without authentication."""
        return getattr(self.request, "user", None)

    @property
    def flow(self) -> Flow:
        return read_flow(self.request, self.purpose)

    def save_flow(self, flow: Flow) -> None:
        """Write the flow to the session.

        A card in a page of the site gets an empty notice, so that it takes the focus when the page is shown again.
        """
        if self.back and flow.notice is None:
            flow = replace(flow, notice=Notice("code" if flow.attempt else "number"))
        save_flow(self.request, self.purpose, flow)

    def has_notice(self, about: About) -> bool:
        """Return whether the flow has a notice about the number, the code or the call."""
        notice = self.flow.notice
        return notice is not None and notice.about == about

    def has_new_notice(self, about: About) -> bool:
        """Return whether the flow has such a notice that was not shown yet."""
        return self.has_notice(about) and not (self.flow.notice and self.flow.notice.is_shown)

    def stored_of(self, seen: Seen) -> StoredNumber | None:
        """Return the number on file if the attempt is of it, None if the person typed the number."""
        number = open_number(self.flow.stored, self.request)
        return StoredNumber(number) if number == seen.attempt.number else None

    def show(
        self,
        step: Step,
        *,
        next_: str = "",
        status: int = 200,
        stored: StoredNumber | None = None,
        is_change: bool = False,
    ) -> HttpResponse:
        """Return this page with the card of ``step``. ``stored`` and ``is_change`` are as in CardPlace."""
        why = self.ticket.why or self.flow.why
        place = CardPlace(
            purpose=self.purpose,
            next=next_,
            stored=stored,
            is_change=is_change,
            why=why,
            namespace=self.namespace,
        )
        return self.show_at(place, with_reason(step, why), attempt=self.flow.shown, status=status)

    def show_attempt(
        self, seen: Seen, form: CodeForm, notice: Notice | None, *, reason: str = "", status: int = 200
    ) -> HttpResponse:
        """Return this page with the card of an attempt. ``reason``: why the form of the card was rejected."""
        step, stored = attempt_step(seen, form, notice), self.stored_of(seen)
        if reason:
            step = with_rejection(step, reason)
        if stored:
            step = without_other_number(step, seen)
        elif self.flow.replaces and step.name == "done":
            step = changed_step(step)
        is_change = bool(self.flow.replaces)
        return self.show(step, next_=self.flow.next, stored=stored, is_change=is_change, status=status)

    def show_at(self, place: CardPlace, step: Step, *, attempt: UUID | None, status: int) -> HttpResponse:
        card = card_at(place, self.request, shown_attempt=attempt, asked_digits=step.asked_digits)
        context = {"request": self.request, "card": card, "step": step}
        return render(self.request, self.template_name, context, status=status)

    def get_success_url(self, flow: Flow) -> str:
        """Return the URL after success.

        It is ``next`` if that is on this site, else ``SUCCESS_URL``, else the page that includes the card, else the
        done page.
        """
        return goal_of(flow.next, self.request) or self.back or self.page_url("done")

    def drop_session_changes(self) -> None:
        """Leave the session in the store as it is: another request has changed it, and its response has the cookie."""
        self.request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
        self.request.session = type(self.request.session)()  # so the middleware saves nothing and sets no cookie
        if settings.CSRF_USE_SESSIONS:
            # Otherwise the CSRF check would store the token in the empty session, which then would get a cookie.
            self.request.META["CSRF_COOKIE_NEEDS_UPDATE"] = False

    def redirect(self, url: str) -> HttpResponseBase:
        """Return a redirect, or JSON with the URL if the script sent the header ``IN_PLACE``."""
        if IN_PLACE in self.request.headers:
            return JsonResponse({"location": url})
        return HttpResponseRedirect(url)

    def redirect_to_page(self, name: str) -> HttpResponseBase:
        """Redirect to the page of the site that includes the card, else to the page ``name``."""
        return self.redirect(self.back or (self.start_url() if name == "start" else self.page_url(name)))

    def page_url(self, name: str, *flags: str) -> str:
        """Return the URL of one of the pages, for this purpose."""
        return page_url(name, self.purpose, *flags, namespace=self.namespace)

    def start_url(self, *flags: str) -> str:
        """Return the URL of the first step of this flow."""
        if self.flow.replaces:
            return self.page_url("change", *flags)
        return self.page_url("start", *([STORED] if self.flow.stored else []), *flags)
