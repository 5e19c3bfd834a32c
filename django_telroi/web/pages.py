"""What all pages share: their guards, the flow they are in, and where they lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    let_later_save_fail,
    read_flow,
    save_flow,
    save_if_possible,
    session_of,
)
from django_telroi.web.steps import Step, no_cookie_step
from django_telroi.web.tickets import Ticket, new_nonce, open_ticket


def unavailable_page(request: HttpRequest, template_name: str = "telroi/page.html") -> HttpResponse:
    """503 with a card that says so. The session, and the attempt in it, may be in the database that is gone.

    A site's own ``telroi/base.html`` may greet the user, which asks the database too: then the sentence stands alone.
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
    """Django's check of the token, and ``card`` for a browser that keeps no cookie. All else is refused as ever."""

    def __init__(self, get_response: Any, card: Page) -> None:
        super().__init__(get_response)
        self.card = card

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseBase:
        refused = super()._reject(request, reason)  # type: ignore[misc]
        if reason != REASON_NO_CSRF_COOKIE:
            return refused  # type: ignore[no-any-return]
        # Its form brings a new token, so the answer must bring the cookie as well, also without the site's middleware.
        return self.process_response(request, self.card(request))


def csrf_protect_with_card(page: Page, card: Page) -> Page:
    """The page behind Django's check of the token, whatever middleware the site has.

    ``csrf_exempt`` is for the site's own middleware, which would refuse first and in its own words; the check here is
    the same one, and is always made.
    """
    return csrf_exempt(decorator_from_middleware_with_args(CookieCheck)(card)(page))


class DecidedLater:
    """False, so that the middleware lets a request through to ``login_by_purpose``.

    The middleware decides by the view alone and cannot know the purpose. Another False, as ``login_not_required``
    writes it, is a site's own decision: its page is open.
    """

    def __bool__(self) -> bool:
        return False


def login_by_purpose(page: Page, purpose_of: Callable[[HttpRequest], str]) -> Page:
    """The page, which requires a login where the site's middleware does, unless the purpose is open to everyone."""

    @wraps(page)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        to_log_in = _answer_of_the_middleware(request)
        return to_log_in if to_log_in and not _is_open(request, purpose_of) else page(request, *args, **kwargs)

    guarded.login_required = DecidedLater()  # type: ignore[attr-defined]
    return guarded


def _answer_of_the_middleware(request: HttpRequest) -> HttpResponseBase | None:
    """What it would have answered, such as a redirect; None if this person may see a page that requires a login."""
    answers = (each.process_view(request, _plain_view, (), {}) for each in _middleware(tuple(settings.MIDDLEWARE)))
    return next((answer for answer in answers if answer), None)


def _is_open(request: HttpRequest, purpose_of: Callable[[HttpRequest], str]) -> bool:
    view = getattr(request.resolver_match, "func", None)
    if getattr(view, "login_required", True) is False:
        return True
    return purpose_of(request) in (conf.anonymous_purposes() or ())


def _plain_view(request: HttpRequest) -> HttpResponse:
    """Stands for our page as it would be without ``DecidedLater``: it says nothing about logging in."""
    return HttpResponse()


@cache
def _middleware(paths: tuple[str, ...]) -> tuple[LoginRequiredMiddleware, ...]:
    return tuple(_made(paths))


def _made(paths: tuple[str, ...]) -> Iterator[LoginRequiredMiddleware]:
    for middleware in map(import_string, paths):
        if isinstance(middleware, type) and issubclass(middleware, LoginRequiredMiddleware):
            yield middleware(_plain_view)


IN_PLACE = "X-Telroi-In-Place"
"""Sent by our script for a card in somebody else's page: it asks for the redirect's address instead of the redirect."""


class PhonePage(View):
    """A page of a verification. ``template_name`` is rendered with ``card`` and ``step``."""

    template_name = "telroi/page.html"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Guards belong to the view as it is served: no subclass can lose them by overriding a method.

        No request runs in a transaction of its own, on any database: a rollback must not undo a call that was placed or
        a guess that was judged.
        """

        def page_for(request: HttpRequest) -> PhonePage:
            page = cls(**initkwargs)
            page.setup(request)
            return page

        view = login_by_purpose(super().as_view(**initkwargs), lambda request: page_for(request).purpose)
        view = csrf_protect_with_card(view, card=lambda request: page_for(request).without_cookie())
        view = never_cache(hide_what_was_posted(view))
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        session = session_of(request)
        answer = None
        try:
            answer = self.answer(request, *args, **kwargs)
            # A notice is what the page that a redirect leads to has to say. Lost with the session, it is said nowhere.
            if not save_if_possible(request, session) and self.flow.notice:
                answer = None
        except Unavailable:
            pass  # noted where it was raised
        except DATABASE_LOST as error:
            note_lost_database(error)
        let_later_save_fail(request, session)
        return answer or unavailable_page(request, self.template_name)

    def answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What the page says, unless its database is gone."""
        if self.purpose not in conf.purposes():
            return self.show(purpose_problem(), status=InvalidPurpose.http_status)
        try:
            return super().dispatch(request, *args, **kwargs)
        except UserNotFound:  # deleted since this request came in; the next one is nobody's
            return self.go_on("start")

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Somebody followed an address that only a button may use, as after logging in again: show the way back."""
        refused = super().http_method_not_allowed(request, *args, **kwargs)
        refused.content = self.show(problem_step()).content
        return refused

    def without_cookie(self) -> HttpResponse:
        """What a form gets that came without this site's cookie: why, and what was typed."""
        if IN_PLACE in self.request.headers:
            return JsonResponse({"problem": card_texts.no_cookie()}, status=403)
        number = self.request.POST.get("number", "")[:LONGEST_VALUE]
        form = PhoneForm({"number": number} if number else None, auto_id=CardPlace().auto_id)
        place = CardPlace(purpose=self.purpose if self.purpose in conf.purposes() else "")
        return self.show_at(place, no_cookie_step(form), attempt=None, status=403)

    @cached_property
    def ticket(self) -> Ticket:
        """What the form carried. Of a request that brings none, what its address says.

        What nobody signed is bounded here, before a page, a form or the session repeats it.
        """
        asked = self.request.POST if self.request.method == "POST" else self.request.GET
        ticket = open_ticket(asked.get("ticket", ""), self.request)
        if ticket:
            return ticket
        purpose, next_ = (asked.get(name, self.request.GET.get(name, "")) for name in ("purpose", "next"))
        # One character too many stays, so that no longer purpose becomes one that the site knows.
        purpose = purpose[: LONGEST_PURPOSE + 1]
        return Ticket(new_nonce(), purpose=purpose, next=next_ if is_safe(next_, self.request) else "")

    @property
    def purpose(self) -> str:
        return self.ticket.purpose

    @property
    def back(self) -> str:
        """The page that the card was dropped into, ``""`` for one on our own."""
        return self.ticket.back if is_safe(self.ticket.back, self.request) else ""

    @property
    def user(self) -> AbstractBaseUser | None:
        """None on a site without users; services tell an anonymous one from a real one."""
        return getattr(self.request, "user", None)

    @property
    def flow(self) -> Flow:
        return read_flow(self.request, self.purpose)

    def keep(self, flow: Flow) -> None:
        """Let the session have this flow. A card in another page takes the focus after each of its own answers."""
        if self.back and flow.notice is None:
            flow = replace(flow, notice=Notice("code" if flow.attempt else "number"))
        save_flow(self.request, self.purpose, flow)

    def has_answer(self, about: About) -> bool:
        """Whether there is something to say about that question, or that call."""
        notice = self.flow.notice
        return notice is not None and notice.about == about

    def show(self, step: Step, *, next_: str = "", status: int = 200) -> HttpResponse:
        """The page with this card."""
        place = CardPlace(purpose=self.purpose, next=next_)
        return self.show_at(place, step, attempt=self.flow.shown, status=status)

    def show_at(self, place: CardPlace, step: Step, *, attempt: UUID | None, status: int) -> HttpResponse:
        card = card_at(place, self.request, shown_attempt=attempt, asked_digits=step.asked_digits)
        context = {"request": self.request, "card": card, "step": step}
        return render(self.request, self.template_name, context, status=status)

    def get_success_url(self, flow: Flow) -> str:
        """``next`` if it stays on this site, else ``SUCCESS_URL``, else where the card stands, else the done page."""
        return goal_of(flow.next, self.request) or self.back or page_url("done", self.purpose)

    def go(self, url: str) -> HttpResponseBase:
        """A redirect, or its address for a script that asks for it."""
        if IN_PLACE in self.request.headers:
            return JsonResponse({"location": url})
        return HttpResponseRedirect(url)

    def go_on(self, name: str) -> HttpResponseBase:
        """To one of our pages, or back to the page that the card was dropped into."""
        return self.go(self.back or page_url(name, self.purpose))
