"""A form that comes without this site's cookie gets a card that says so, in place of Django's page for developers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware_with_args
from django.views.decorators.csrf import csrf_exempt

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
