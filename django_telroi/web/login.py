"""Who must log in: what ``ANONYMOUS_PURPOSES`` opens under Django's ``LoginRequiredMiddleware``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.module_loading import import_string

from django_telroi import conf

Page = Callable[..., HttpResponseBase]


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
