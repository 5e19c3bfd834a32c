"""The base class of all pages: its CSRF check, login, flow in the session, and redirects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, CsrfViewMiddleware
from django.shortcuts import render
from django.utils.decorators import decorator_from_middleware_with_args
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import View

from django_telroi import conf
from django_telroi.errors import InvalidPurpose, Unavailable, UserNotFound
from django_telroi.services.calls.request import LONGEST_PURPOSE
from django_telroi.services.requester import hide_what_was_posted
from django_telroi.services.sentences import NOT_NOW
from django_telroi.services.shared.transactions import DATABASE_LOST, note_lost_database
from django_telroi.web import card_texts
from django_telroi.web.card_problems import problem_step, purpose_problem, unavailable_step
from django_telroi.web.cards import CardPlace, card_at, goal_of, is_safe, page_url
from django_telroi.web.forms import PhoneForm
from django_telroi.web.posted_values import LONGEST_VALUE
from django_telroi.web.session import (
    About,
    Flow,
    Notice,
    read_flow,
    save_flow,
    save_if_possible,
    session_of,
    tolerate_failed_save,
)
from django_telroi.web.steps import Step, no_cookie_step
from django_telroi.web.tickets import Ticket, new_nonce, read_ticket


def unavailable_page(request: HttpRequest, template_name: str = "telroi/page.html") -> HttpResponse:
    """Return a page with status 503, for a request that cannot reach its database.

    The card contains nothing from the session, because the session may be in that database. The site's own
    ``telroi/base.html`` may query the database too, for example for the user's name. Then the page has no template.
    """
    try:
        card = card_at(CardPlace(), request, shown_attempt=None)
        context = {"request": request, "card": card, "step": unavailable_step()}
        return render(request, template_name, context, status=Unavailable.http_status)
    except DATABASE_LOST:
        html = format_html('<!doctype html><meta name="viewport" content="width=device-width"><p>{}</p>', NOT_NOW)
        return HttpResponse(html, status=Unavailable.http_status)


Page = Callable[..., HttpResponseBase]


class CookieCheck(CsrfViewMiddleware):
    """Django's CSRF check. A request without the CSRF cookie gets ``card``; other rejections are Django's own."""

    def __init__(self, get_response: Any, card: Page) -> None:
        super().__init__(get_response)
        self.card = card

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseBase:
        rejected = super()._reject(request, reason)  # type: ignore[misc]
        if reason != REASON_NO_CSRF_COOKIE:
            return rejected  # type: ignore[no-any-return]
        # The form on the card has a new token, so the response must set the cookie. The site may not have Django's
        # CSRF middleware, which would set it.
        return self.process_response(request, self.card(request))


def csrf_protect_with_card(page: Page, card: Page) -> Page:
    """Return the view with Django's CSRF check. The check does not depend on the site's middleware.

    ``csrf_exempt`` turns off the middleware's check for this view. It would run first and show Django's error page
    instead of ``card``.
    """
    return csrf_exempt(decorator_from_middleware_with_args(CookieCheck)(card)(page))


class LoginDecidedByPurpose:
    """A false value for ``login_required``, so that LoginRequiredMiddleware passes the request to ``login_by_purpose``.

    The middleware sees only the view, not the purpose. This class is distinct from ``False``, which the decorator
    ``login_not_required`` sets: then the site has decided that the page needs no login.
    """

    def __bool__(self) -> bool:
        return False


def login_by_purpose(page: Page, purpose_of: Callable[[HttpRequest], str]) -> Page:
    """Return the view with a login check.

    It requires a login if the site has LoginRequiredMiddleware, unless ``ANONYMOUS_PURPOSES`` contains the purpose.
    """

    @wraps(page)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        login_response = _middleware_response(request)
        if login_response and not _is_open(request, purpose_of):
            return login_response
        return page(request, *args, **kwargs)

    guarded.login_required = LoginDecidedByPurpose()  # type: ignore[attr-defined]
    return guarded


def _middleware_response(request: HttpRequest) -> HttpResponseBase | None:
    """Return LoginRequiredMiddleware's response, such as a redirect to the login. None if it lets the request pass."""
    responses = (
        each.process_view(request, _plain_view, (), {}) for each in _login_middleware(tuple(settings.MIDDLEWARE))
    )
    return next((response for response in responses if response), None)


def _is_open(request: HttpRequest, purpose_of: Callable[[HttpRequest], str]) -> bool:
    view = getattr(request.resolver_match, "func", None)
    if getattr(view, "login_required", True) is False:
        return True
    return purpose_of(request) in (conf.anonymous_purposes() or ())


def _plain_view(request: HttpRequest) -> HttpResponse:
    """A view without the attribute ``login_required``. LoginRequiredMiddleware requires a login for it."""
    return HttpResponse()


@cache
def _login_middleware(paths: tuple[str, ...]) -> tuple[LoginRequiredMiddleware, ...]:
    """Return an instance of each LoginRequiredMiddleware, or subclass of it, among the site's middleware."""
    found = [each for each in map(import_string, paths) if isinstance(each, type)]
    return tuple(each(_plain_view) for each in found if issubclass(each, LoginRequiredMiddleware))


IN_PLACE = "X-Telroi-In-Place"
"""Request header of the script, for a card in a page of the site. The response is JSON with the URL, not a redirect."""


class PhonePage(View):
    """Base class of the pages of a verification. ``template_name`` is rendered with ``card`` and ``step``."""

    template_name = "telroi/page.html"

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

        view = login_by_purpose(super().as_view(**initkwargs), lambda request: page_for(request).purpose)
        view = csrf_protect_with_card(view, card=lambda request: page_for(request).missing_cookie_response())
        view = never_cache(hide_what_was_posted(view))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        session = session_of(request)
        answer = None
        try:
            answer = self.answer(request, *args, **kwargs)
            # The notice is a message for the page after the redirect. If the session was not saved, it is lost, so
            # this response must report the error.
            if not save_if_possible(request, session) and self.flow.notice:
                answer = None
        except Unavailable:
            pass  # it was logged where it was raised
        except DATABASE_LOST as error:
            note_lost_database(error)
        tolerate_failed_save(request, session)
        return answer or unavailable_page(request, self.template_name)

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the page's response. Raises Unavailable or a database error if the database is unavailable."""
        if self.purpose not in conf.purposes():
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

    def missing_cookie_response(self) -> HttpResponse:
        """Return the response (403) for a form without the CSRF cookie, with the reason and the typed number."""
        if IN_PLACE in self.request.headers:
            return JsonResponse({"problem": card_texts.no_cookie()}, status=403)
        number = self.request.POST.get("number", "")[:LONGEST_VALUE]
        form = PhoneForm({"number": number} if number else None, auto_id=CardPlace().auto_id)
        place = CardPlace(purpose=self.purpose if self.purpose in conf.purposes() else "")
        return self.show_at(place, no_cookie_step(form), attempt=None, status=403)

    @cached_property
    def ticket(self) -> Ticket:
        """The ticket of the form, or a new one with ``purpose`` and ``next`` of the URL if there is no valid ticket.

        ``purpose`` and ``next`` are limited in length here, because without a signature a visitor can send any text,
        and pages, forms and the session repeat it.
        """
        sent = self.request.POST if self.request.method == "POST" else self.request.GET
        ticket = read_ticket(sent.get("ticket", ""), self.request)
        if ticket:
            return ticket
        purpose, next_ = (sent.get(name, self.request.GET.get(name, "")) for name in ("purpose", "next"))
        # Keep one character more than allowed. Cut to the limit, an unknown purpose could become a known one.
        purpose = purpose[: LONGEST_PURPOSE + 1]
        return Ticket(new_nonce(), purpose=purpose, next=next_ if is_safe(next_, self.request) else "")

    @property
    def purpose(self) -> str:
        return self.ticket.purpose

    @property
    def back(self) -> str:
        """The URL of the page of the site that includes the card, ``""`` if the card is on one of these pages."""
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

    def show(self, step: Step, *, next_: str = "", status: int = 200) -> HttpResponse:
        """Return this page with the card of ``step``."""
        place = CardPlace(purpose=self.purpose, next=next_)
        return self.show_at(place, step, attempt=self.flow.shown, status=status)

    def show_at(self, place: CardPlace, step: Step, *, attempt: UUID | None, status: int) -> HttpResponse:
        card = card_at(place, self.request, shown_attempt=attempt, asked_digits=step.asked_digits)
        context = {"request": self.request, "card": card, "step": step}
        return render(self.request, self.template_name, context, status=status)

    def get_success_url(self, flow: Flow) -> str:
        """Return the URL after success.

        It is ``next`` if that is on this site, else ``SUCCESS_URL``, else the page that includes the card, else the
        done page.
        """
        return goal_of(flow.next, self.request) or self.back or page_url("done", self.purpose)

    def redirect(self, url: str) -> HttpResponseBase:
        """Return a redirect, or JSON with the URL if the script sent the header ``IN_PLACE``."""
        if IN_PLACE in self.request.headers:
            return JsonResponse({"location": url})
        return HttpResponseRedirect(url)

    def redirect_to_page(self, name: str) -> HttpResponseBase:
        """Redirect to the page of the site that includes the card, else to the page ``name``."""
        return self.redirect(self.back or page_url(name, self.purpose))
