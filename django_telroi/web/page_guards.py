"""The guards of a page: its CSRF check and its login check. They do not depend on the site's middleware.

A site may leave out Django's CSRF middleware, or use LoginRequiredMiddleware. With the one the pages must still be
safe. With the other they need a login, except for the purposes in ``ANONYMOUS_PURPOSES``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware_with_args
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from django_telroi import conf

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
    # The site's own middleware is asked, not a copy of its rule: a subclass may redirect to another login page.
    responses = (
        each.process_view(request, _plain_view, (), {}) for each in _login_middleware(tuple(settings.MIDDLEWARE))
    )
    return next((response for response in responses if response), None)


def _is_open(request: HttpRequest, purpose_of: Callable[[HttpRequest], str]) -> bool:
    # The site put login_not_required around the view in its URLconf. That decides for all purposes.
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
    # The list of paths is the key of the cache, so a test that changes MIDDLEWARE gets other instances. A middleware
    # may be a function, which is not a login check.
    found = [each for each in map(import_string, paths) if isinstance(each, type)]
    return tuple(each(_plain_view) for each in found if issubclass(each, LoginRequiredMiddleware))
