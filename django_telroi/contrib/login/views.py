"""The pages of the login. They are the pages of a verification, with one purpose and without a user.

You may subclass them. Use the URL names of ``django_telroi.contrib.login.urls`` in the namespace ``telroi-login``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.middleware.csrf import CSRF_SESSION_KEY
from django.shortcuts import resolve_url
from django.utils.functional import cached_property
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.contrib.login.login_steps import as_login_step, code_used_step, logged_in_step, no_account_step
from django_telroi.contrib.login.phone_login import CodeUsedUp, NoAccountFound, redeem_login
from django_telroi.errors import TooManyRequests
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.web.call_views import CallAgainView, ChangeNumberView
from django_telroi.web.card_state import settle_and_load_attempt
from django_telroi.web.cards import LOGIN_NAMESPACE, CardPlace, is_safe
from django_telroi.web.code_page import CodeView, StatusView
from django_telroi.web.cookies import delete_request_cookie, forget_typed
from django_telroi.web.notices import notice_of, notice_of_result
from django_telroi.web.page_guards import save_session
from django_telroi.web.pages import LOST, PhonePage
from django_telroi.web.seen_attempt import step_name
from django_telroi.web.session import Flow, renew_session, session_of
from django_telroi.web.start_page import StartView
from django_telroi.web.steps import Step
from django_telroi.web.tickets import Ticket

__all__ = [
    "LoginCallAgainView",
    "LoginChangeNumberView",
    "LoginCodeView",
    "LoginDoneView",
    "LoginPage",
    "LoginStartView",
    "LoginStatusView",
]


class LoginPage(PhonePage):
    """Base class of the pages of the login."""

    namespace = LOGIN_NAMESPACE
    purpose: str = conf.LOGIN_PURPOSE
    user: AbstractBaseUser | None = None
    """The calls belong to no user, also if a user is logged in: they may log in to another account."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view with its guards. ``LoginRequiredMiddleware`` lets it pass."""
        view = super().as_view(**initkwargs)
        view.login_required = False  # type: ignore[attr-defined]
        return view

    def has_known_purpose(self) -> bool:
        return True

    @cached_property
    def ticket(self) -> Ticket:
        """The ticket of the form. A number on file and a page with a card are not for a login."""
        return replace(super().ticket, purpose=self.purpose, stored="", back="", why="")

    def show_at(self, place: CardPlace, step: Step, *, attempt: UUID | None, status: int) -> HttpResponse:
        return super().show_at(place, as_login_step(step), attempt=attempt, status=status)

    def get_success_url(self, flow: Flow) -> str:
        """Return the URL after the login: ``next`` if it is on this site, else ``LOGIN_REDIRECT_URL``."""
        return flow.next if is_safe(flow.next, self.request) else resolve_url(settings.LOGIN_REDIRECT_URL)


class LoginStartView(LoginPage, StartView):
    """Asks for the number and requests the call."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        user: AbstractBaseUser | None = getattr(request, "user", None)
        if LOST in request.GET and user is not None and user.is_authenticated:
            # The back button after the login, which has ended the call of the session.
            return self.show(logged_in_step(), next_=self.get_success_url(self.flow))
        if self.flow.is_proven:  # the number of an earlier code has no account
            self.save_flow(Flow(next=self.flow.next))
        return super().get(request)


class LoginCodeView(LoginPage, CodeView):
    """Asks for the code. The right one logs in."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        if self.flow.is_proven:
            return HttpResponseRedirect(self.page_url("done"))
        return super().get(request)

    @sensitive_variables()
    def answer_result(self, result: CheckResult, attempt_id: UUID, flow: Flow, *, digits: int) -> HttpResponseBase:
        """Log in after the right code, else show why the code is not right."""
        if result.outcome != CheckOutcome.VERIFIED:
            self.save_flow(replace(flow, notice=notice_of_result(result, digits=digits)))
            return self.redirect_to_page("code")
        # Before the proof is spent, because a wrong LOGIN_REDIRECT_URL raises an error.
        url = self.get_success_url(flow)
        try:
            user = redeem_login(self.request, result)
        except NoAccountFound:
            return self.succeed(result, self.close_queued_and_get_flow(attempt_id, flow))
        except CodeUsedUp:
            # The other request of a double click has logged in. Its response has the cookie of the new session.
            self.drop_session_changes()
            return self.redirect(self.page_url("done"))
        except TooManyRequests as refusal:
            # No other code of this number is accepted today, so the page does not ask for one.
            self.save_flow(Flow(next=flow.next, notice=notice_of(refusal, about="number")))
            return self.redirect_to_page("start")
        return self.log_in(user, url)

    def log_in(self, user: AbstractBaseUser, url: str) -> HttpResponseBase:
        """Log the user in and redirect to ``url``. The session gets a new key."""
        if CSRF_SESSION_KEY in session_of(self.request):
            # ``login`` deletes the session. The second request of a double click would then fail the CSRF check, and
            # the error page would set the cookie of another session, which is not logged in.
            renew_session(self.request, self.purpose, self.flow)
        self.save_flow(Flow())
        login(self.request, user)  # type: ignore[arg-type]  # a user of any model
        # Saved before the response: if that fails, the person is not logged in, and must not be told so.
        save_session(self.request, session_of(self.request))
        response = self.redirect(url)
        delete_request_cookie(response, self.request)
        forget_typed(response, self.request)
        return response

    def get_success_url(self, flow: Flow) -> str:
        """Return the URL after the login. Without an account it is the page that says so."""
        return self.page_url("done") if flow.is_proven else super().get_success_url(flow)


class LoginCallAgainView(LoginPage, CallAgainView):
    """Requests another call to the same number."""


class LoginChangeNumberView(LoginPage, ChangeNumberView):
    """Asks for a number again, or leads back to the code."""


class LoginStatusView(LoginPage, StatusView):
    """Returns the state of the card and the status of the attempt as JSON, for the script."""


class LoginDoneView(LoginPage):
    """Shows that no account has the number, or the end of a login whose response did not arrive."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        seen = settle_and_load_attempt(request, self.purpose)
        if seen and self.flow.is_proven and step_name(seen) != "code":
            return self.show(no_account_step(seen.attempt.masked_number), next_=self.flow.next)
        # The response is the same kind of page in both cases. With a redirect for users, another site could find out
        # whether its visitor is logged in here.
        user: AbstractBaseUser | None = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            return self.show(logged_in_step(), next_=self.get_success_url(self.flow))
        return self.show(code_used_step(), next_=self.flow.next)
