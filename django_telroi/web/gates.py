"""Gates: restrict a view to users with a verified phone. Other visitors are redirected to verify one, and return."""

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
    """Admits users with a phone that was verified for ``purpose`` within ``max_age``. None accepts any of them."""

    purpose: str | None
    max_age: timedelta | None

    @classmethod
    def of(cls, purpose: str | None, max_age: timedelta | float | None) -> Gate:
        """Return the gate. ``max_age`` is a timedelta or a number of seconds.

        Raises ImproperlyConfigured if ``max_age`` is not positive.
        """
        age = timedelta(seconds=max_age) if isinstance(max_age, int | float) else max_age
        if age is not None and age <= timedelta(0):
            raise ImproperlyConfigured("max_age must be positive. With this value the gate rejects every user.")
        return cls(purpose, age)

    def response_if_denied(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the response for a visitor who may not pass, or None if they may.

        It is a redirect to the login or to the verification. It is a page with status 503 if the database is
        unavailable. Raises ImproperlyConfigured if the site's settings do not fit the gate.
        """
        try:
            return self._redirect_if_denied(request)
        except Unavailable:
            return unavailable_page(request)
        except DATABASE_LOST as error:
            note_lost_database(error)
            return unavailable_page(request)

    def _redirect_if_denied(self, request: HttpRequest) -> HttpResponseBase | None:
        user = getattr(request, "user", None)
        if user is None:
            raise ImproperlyConfigured(
                "request.user is not set, but this view requires a verified phone. Add "
                "'django.contrib.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE."
            )
        if not user.is_authenticated:
            return redirect_to_login(current_address(request))
        if known_phone_record(user, request=request).has_phone(purpose=self.purpose, max_age=self.max_age):
            return None
        query = {"purpose": self._purpose_to_verify(), "next": current_address(request)}
        return HttpResponseRedirect(f"{reverse('telroi:start')}?{urlencode(query)}")

    def _purpose_to_verify(self) -> str:
        """Return the gate's purpose. For a gate without one: ``""`` if the site has it, else the first with a record.

        Raises ImproperlyConfigured if the site has no such purpose, or it writes no record of a verified phone.
        """
        known = [each for each in conf.purposes() if conf.writes_record(each)]
        purpose = self.purpose if self.purpose is not None or not known else ("" if "" in known else known[0])
        if purpose not in known:
            no_record = 'is in TELROI["PURPOSES_WITHOUT_RECORD"], so the gate rejects every user'
            missing = 'is not in TELROI["PURPOSES"]'
            raise ImproperlyConfigured(
                f'The purpose "{purpose or ""}" of a gate {no_record if purpose in conf.purposes() else missing}.'
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
    """Restrict a view to users with a verified phone: ``@phone_verified_required``, with or without arguments.

    An anonymous visitor is redirected to the login. A user without such a phone is redirected to verify one. Both
    return to this view afterwards. The view may be synchronous or asynchronous.

    ``purpose``: the purpose of the verification; None accepts any purpose.
    ``max_age``: the greatest age of the verification, a timedelta or a number of seconds; None accepts any age.

    Returns the view, or a decorator if it is called with arguments. Raises ImproperlyConfigured if ``max_age`` is not
    positive; a request raises it if the purpose is not configured or there is no ``request.user``.
    """
    gate = Gate.of(purpose, max_age)
    return _guarded(view, gate) if view else lambda view: _guarded(view, gate)


class PhoneVerifiedRequiredMixin:
    """``phone_verified_required`` for a class-based view. Put it left of ``View`` in the list of base classes.

    ``purpose`` and ``max_age`` mean the same as in the decorator.
    """

    purpose: str | None = None
    max_age: timedelta | float | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch = super().dispatch  # type: ignore[misc]
        gate = Gate.of(self.purpose, self.max_age)
        if getattr(self, "view_is_async", False):
            return _pass_async(gate, dispatch, request, *args, **kwargs)
        return gate.response_if_denied(request) or dispatch(request, *args, **kwargs)


def _guarded(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await _pass_async(gate, view, request, *args, **kwargs)

        return guarded_async

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return gate.response_if_denied(request) or view(request, *args, **kwargs)

    return guarded


async def _pass_async(
    gate: Gate, view: Callable[..., Awaitable[Any]], request: HttpRequest, *args: Any, **kwargs: Any
) -> Any:
    return await sync_to_async(gate.response_if_denied)(request) or await view(request, *args, **kwargs)
