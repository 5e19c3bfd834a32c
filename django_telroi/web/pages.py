"""What all pages share: how they are guarded, whose flow they are in, and where they lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.functional import cached_property
from django.views.decorators.cache import never_cache
from django.views.generic import View

from django_telroi import conf
from django_telroi.errors import InvalidPurpose, Unavailable, UserNotFound
from django_telroi.services.reporting import hide_what_was_posted
from django_telroi.services.transactions import DATABASE_LOST, note_lost_database
from django_telroi.services.wishes import LONGEST_PURPOSE
from django_telroi.web import words
from django_telroi.web.cards import Place, card_at, goal_of, is_safe, page_url
from django_telroi.web.cookies import csrf_protect_with_card
from django_telroi.web.flow import About, Flow, Notice, keep_flow, read_flow, session_of
from django_telroi.web.forms import PhoneForm
from django_telroi.web.login import login_by_purpose
from django_telroi.web.problems import problem_step, purpose_problem
from django_telroi.web.sessions import let_later_save_fail, save_if_possible
from django_telroi.web.steps import Step, no_cookie_step
from django_telroi.web.ticket import Ticket, new_nonce, open_ticket
from django_telroi.web.typed import LONGEST_VALUE
from django_telroi.web.unavailable import unavailable_page

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
            return JsonResponse({"problem": words.no_cookie()}, status=403)
        number = self.request.POST.get("number", "")[:LONGEST_VALUE]
        form = PhoneForm({"number": number} if number else None, auto_id=Place().auto_id)
        place = Place(purpose=self.purpose if self.purpose in conf.purposes() else "")
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
        keep_flow(self.request, self.purpose, flow)

    def has_answer(self, about: About) -> bool:
        """Whether there is something to say about that question, or that call."""
        notice = self.flow.notice
        return notice is not None and notice.about == about

    def show(self, step: Step, *, next_: str = "", status: int = 200) -> HttpResponse:
        """The page with this card."""
        place = Place(purpose=self.purpose, next=next_)
        return self.show_at(place, step, attempt=self.flow.shown, status=status)

    def show_at(self, place: Place, step: Step, *, attempt: UUID | None, status: int) -> HttpResponse:
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
