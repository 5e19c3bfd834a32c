"""Gates: a view only for people who answered a phone. Who has not yet is led through the flow, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, overload
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from django_telroi import conf
from django_telroi.errors import Unavailable
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.services.shared.transactions import DATABASE_LOST, note_lost_database
from django_telroi.web.cards import current_address
from django_telroi.web.pages import unavailable_page

__all__ = ["PhoneVerifiedRequiredMixin", "phone_verified_required"]

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


@dataclass(frozen=True)
class Gate:
    """Who may pass: users with a phone that was verified for ``purpose`` (None means any) within ``max_age``."""

    purpose: str | None
    max_age: timedelta | None

    @classmethod
    def of(cls, purpose: str | None, max_age: timedelta | float | None) -> Gate:
        """``max_age`` is a timedelta or in seconds; None means ever."""
        age = timedelta(seconds=max_age) if isinstance(max_age, int | float) else max_age
        if age is not None and age <= timedelta(0):
            raise ImproperlyConfigured("max_age must be longer than nothing: nobody could ever pass.")
        return cls(purpose, age)

    def detour(self, request: HttpRequest) -> HttpResponseBase | None:
        """Where this person has to go first; None if they may pass. Where the database cannot say, a page with 503."""
        try:
            return self._detour(request)
        except Unavailable:
            return unavailable_page(request)
        except DATABASE_LOST as error:
            note_lost_database(error)
            return unavailable_page(request)

    def _detour(self, request: HttpRequest) -> HttpResponseBase | None:
        user = getattr(request, "user", None)
        if user is None:
            raise ImproperlyConfigured(
                "A view that asks for a verified phone must know who is logged in: add "
                "'django.contrib.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE."
            )
        if not user.is_authenticated:
            return redirect_to_login(current_address(request))
        if known_phone_record(user, request=request).has_phone(purpose=self.purpose, max_age=self.max_age):
            return None
        asked = {"purpose": self._purpose_to_ask_for(), "next": current_address(request)}
        return HttpResponseRedirect(f"{reverse('telroi:start')}?{urlencode(asked)}")

    def _purpose_to_ask_for(self) -> str:
        """A gate that takes any purpose asks for the plain one, if the site has it."""
        known = [each for each in conf.purposes() if conf.writes_record(each)]
        purpose = self.purpose if self.purpose is not None or not known else ("" if "" in known else known[0])
        if purpose not in known:
            wrong = 'is in TELROI["PURPOSES_WITHOUT_RECORD"]: no user could ever pass'
            missing = 'is not in TELROI["PURPOSES"]'
            raise ImproperlyConfigured(
                f'The purpose "{purpose or ""}" of a gate {wrong if purpose in conf.purposes() else missing}.'
            )
        return purpose


@overload
def phone_verified_required(view: AnyView) -> AnyView: ...
@overload
def phone_verified_required(
    *, purpose: str | None = None, max_age: timedelta | float | None = None
) -> Callable[[AnyView], AnyView]: ...
def phone_verified_required(
    view: Callable[..., Any] | None = None,
    *,
    purpose: str | None = None,
    max_age: timedelta | float | None = None,
) -> Any:
    """Let only users with a verified phone into a view: ``@phone_verified_required``, with or without arguments.

    Whoever is not logged in is sent to log in, a user without such a phone to verify one, and both come back to where
    they wanted to go. ``purpose`` None means any; ``max_age`` is a timedelta or in seconds, None means ever.
    """
    gate = Gate.of(purpose, max_age)
    return _guarded(view, gate) if view else lambda view: _guarded(view, gate)


class PhoneVerifiedRequiredMixin:
    """The same for a class-based view; it stands left of ``View`` among the bases."""

    purpose: str | None = None
    max_age: timedelta | float | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        go_on = super().dispatch  # type: ignore[misc]
        gate = Gate.of(self.purpose, self.max_age)
        if getattr(self, "view_is_async", False):
            return _pass_async(gate, go_on, request, *args, **kwargs)
        return gate.detour(request) or go_on(request, *args, **kwargs)


def _guarded(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await _pass_async(gate, view, request, *args, **kwargs)

        return guarded_async

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return gate.detour(request) or view(request, *args, **kwargs)

    return guarded


async def _pass_async(
    gate: Gate, view: Callable[..., Awaitable[Any]], request: HttpRequest, *args: Any, **kwargs: Any
) -> Any:
    return await sync_to_async(gate.detour)(request) or await view(request, *args, **kwargs)
