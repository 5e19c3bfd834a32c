"""Gates: restrict a view to users with a verified phone. Other visitors are redirected to verify one, and return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, overload
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from django_telroi import conf
from django_telroi.errors import Unavailable
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.services.shared.arguments import ANY_NUMBER, StoredNumber, stored_number
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections
from django_telroi.web.card_problems import unavailable_page
from django_telroi.web.cards import current_path
from django_telroi.web.pages import STORED, WHY
from django_telroi.web.session import read_flow, save_flow
from django_telroi.web.tickets import open_number, seal_number

__all__ = ["ANY_NUMBER", "PhoneVerifiedRequiredMixin", "phone_verified_required"]

NumberOf = Callable[[HttpRequest], object]
"""Returns the number that counts. An empty one admits no user. ANY_NUMBER means that every number counts."""

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


@dataclass(frozen=True)
class Gate:
    """Admits users with a phone that was verified for ``purpose`` within ``max_age``. None accepts any of them.

    ``number_of``: returns the only number that counts, for a user who is logged in. None: every number counts.
    """

    purpose: str | None
    max_age: timedelta | None
    number_of: NumberOf | None = field(default=None, repr=False)

    @classmethod
    def of(cls, purpose: str | None, max_age: timedelta | float | None, number_of: NumberOf | None = None) -> Gate:
        """Return the gate. ``max_age`` is a timedelta or a number of seconds.

        Raises ImproperlyConfigured if ``max_age`` is not positive.
        """
        age = timedelta(seconds=max_age) if isinstance(max_age, int | float) else max_age
        if age is not None and age <= timedelta(0):
            raise ImproperlyConfigured("max_age must be positive. With this value the gate rejects every user.")
        return cls(purpose, age, number_of)

    def response_if_denied(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the response for a visitor who may not pass, or None if they may.

        It is a redirect to the login or to the verification. It is a page with status 503 if the database is
        unavailable. A number that the gate requires is saved in the session. Raises ImproperlyConfigured if the site's
        settings do not fit the gate.
        """
        try:
            return self._redirect_if_denied(request)
        except Unavailable:
            return unavailable_page(request)
        except DATABASE_LOST as error:
            close_lost_connections(error)
            return unavailable_page(request)

    def _redirect_if_denied(self, request: HttpRequest) -> HttpResponseBase | None:
        user = getattr(request, "user", None)
        if user is None:
            raise ImproperlyConfigured(
                "request.user is not set, but this view requires a verified phone. Add "
                "'django.contrib.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE."
            )
        # The login comes first, because a record of a verified phone belongs to a user. An anonymous visitor who
        # verified a number would come back here without one.
        if not user.is_authenticated:
            return redirect_to_login(current_path(request))
        # Not before the login check, because the function of the site reads the user's number.
        value = ANY_NUMBER if self.number_of is None else self.number_of(request)
        stored = None if value is ANY_NUMBER else stored_number(value)
        if stored is None or not stored.problem:
            number, record = stored.number if stored else None, known_phone_record(user, request=request)
            if record.has_phone(purpose=self.purpose, max_age=self.max_age, number=number):
                return None
        purpose = self.purpose_to_verify()
        query = {"purpose": purpose, "next": current_path(request), WHY: self._reason(request, user, stored)}
        if stored:
            save_stored_number(request, purpose, stored.number)
            query[STORED] = "1"
        return HttpResponseRedirect(f"{reverse('telroi:start')}?{urlencode(query)}")

    def _reason(self, request: HttpRequest, user: AbstractBaseUser, stored: StoredNumber | None) -> str:
        """Return why the user may not pass: a key of ``card_texts.GATE_REASONS``."""
        if self.max_age is None or (stored and stored.problem):
            return "none"
        # The record is read already.
        number, record = stored.number if stored else None, known_phone_record(user, request=request)
        return "old" if record.has_phone(purpose=self.purpose, number=number) else "none"

    def purpose_to_verify(self) -> str:
        """Return the gate's purpose. For a gate without one: ``""`` if the site has it, else the first with a record.

        Raises ImproperlyConfigured if the site has no such purpose, or it writes no record of a verified phone.
        """
        # A purpose that is unknown or writes no record would send the user in a circle: the gate sends them to verify,
        # the verification changes nothing for the gate, and it sends them again. An error shows the mistake at once.
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
    *, purpose: str | None = None, max_age: timedelta | float | None = None, number: NumberOf | None = None
) -> Callable[[AnyView], AnyView]: ...
def phone_verified_required(
    view: Callable[..., Any] | None = None,
    *,
    purpose: str | None = None,
    max_age: timedelta | float | None = None,
    number: NumberOf | None = None,
) -> Any:
    """Restrict a view to users with a verified phone: ``@phone_verified_required``, with or without arguments.

    An anonymous visitor is redirected to the login. A user without such a phone is redirected to verify one. Both
    return to this view afterwards. The view may be synchronous or asynchronous.

    ``purpose``: the purpose of the verification; None accepts any purpose.
    ``max_age``: the greatest age of the verification, a timedelta or a number of seconds; None accepts any age.
    ``number``: a function of the request that returns the number that must be verified; None accepts any number of the
    user. It is called after the login. A user with an empty or invalid number does not pass.

    Returns the view, or a decorator if it is called with arguments. Raises ImproperlyConfigured if ``max_age`` is not
    positive; a request raises it if the purpose is not configured or there is no ``request.user``.
    """
    gate = Gate.of(purpose, max_age, number)
    return _guard(view, gate) if view else lambda view: _guard(view, gate)


class PhoneVerifiedRequiredMixin:
    """``phone_verified_required`` for a class-based view. Put it left of ``View`` in the list of base classes.

    ``purpose`` and ``max_age`` mean the same as in the decorator. Override ``get_number`` to require one number.
    """

    purpose: str | None = None
    max_age: timedelta | float | None = None

    def get_number(self) -> object:
        """Return the number that must be verified, such as ``self.request.user.phone``. It is called after the login.

        A user with an empty or invalid number does not pass, and the page tells them why. ANY_NUMBER, the default,
        means that every verified number counts.
        """
        return ANY_NUMBER

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch = super().dispatch  # type: ignore[misc]
        # Made for each request, because ``as_view(purpose=…)`` sets the values on the instance.
        gate = Gate.of(self.purpose, self.max_age, lambda request: self.get_number())
        if getattr(self, "view_is_async", False):
            return _pass_async(gate, dispatch, request, *args, **kwargs)
        return gate.response_if_denied(request) or dispatch(request, *args, **kwargs)


GATES = "telroi_gates"
"""The attribute of a view with its gates. ``wraps`` copies it to the outer decorators and to ``as_view``."""


def gates_of(view: Callable[..., Any]) -> Iterator[Gate]:
    """Yield the gates of a view of the URLconf. They have no number and no age if a mixin makes them."""
    yield from getattr(view, GATES, ())
    kind = getattr(view, "view_class", None)
    if isinstance(kind, type) and issubclass(kind, PhoneVerifiedRequiredMixin):
        purpose = getattr(view, "view_initkwargs", {}).get("purpose", kind.purpose)
        if purpose is None or isinstance(purpose, str):  # a property of the site is known in a request only
            yield Gate(purpose, None)


def _guard(view: Callable[..., Any], gate: Gate) -> Callable[..., Any]:
    if iscoroutinefunction(view):

        @wraps(view)
        async def call_guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await _pass_async(gate, view, request, *args, **kwargs)

        return _marked(call_guarded_async, view, gate)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return gate.response_if_denied(request) or view(request, *args, **kwargs)

    return _marked(guarded, view, gate)


def _marked(guarded: AnyView, view: Callable[..., Any], gate: Gate) -> AnyView:
    setattr(guarded, GATES, (*getattr(view, GATES, ()), gate))
    return guarded


async def _pass_async(
    gate: Gate, view: Callable[..., Awaitable[Any]], request: HttpRequest, *args: Any, **kwargs: Any
) -> Any:
    # In a thread, because the gate reads the database, which Django forbids in an event loop.
    return await sync_to_async(gate.response_if_denied)(request) or await view(request, *args, **kwargs)


def save_stored_number(request: HttpRequest, purpose: str, number: str) -> None:
    """Write the number to the session, for the page that asks to verify it. A call that was requested stays."""
    flow = read_flow(request, purpose)
    # A new seal has another nonce. It must not mark the session as modified if the number is the same.
    if open_number(flow.stored, request) != number:
        save_flow(request, purpose, replace(flow, stored=seal_number(number, request)))
