"""What Django's middlewares do for a page: the CSRF check, the login check, and saving the session.

**Checks.** They do not depend on the site's middleware. A site may leave out Django's CSRF middleware, or use
LoginRequiredMiddleware. With the one the pages must still be safe. With the other they need a login, except for the
purposes in ``ANONYMOUS_PURPOSES``.

**Session.** A page saves the session before a call and before its response. Django's middleware saves it after the
view, and turns an error of that save into a bare 400 or 500, when the phone may ring already. Here a failed database
and a session that another request deleted have their own errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connections, router
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.csrf import REASON_NO_CSRF_COOKIE, CsrfViewMiddleware
from django.utils.decorators import decorator_from_middleware_with_args
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from django_telroi import conf
from django_telroi.errors import Unavailable
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections, renew_connection

Page = Callable[..., HttpResponseBase]


RejectedForm = Callable[[HttpRequest, bool], HttpResponseBase]
"""Returns the card for a form that is rejected. The second argument: whether the browser sent the cookie."""


class CardCsrfCheck(CsrfViewMiddleware):
    """Django's CSRF check. A form without the cookie, or with an outdated token, gets ``card``.

    A token is outdated after a login in another tab. The form of another site gets Django's own rejection.
    """

    def __init__(self, get_response: Any, card: RejectedForm) -> None:
        super().__init__(get_response)
        self.card = card

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponseBase:
        rejected = super()._reject(request, reason)  # type: ignore[misc]
        has_cookie = reason != REASON_NO_CSRF_COOKIE
        if has_cookie and not reason.startswith("CSRF token"):
            return rejected  # type: ignore[no-any-return]
        # The form on the card has a new token, so the response must set the cookie. The site may not have Django's
        # CSRF middleware, which would set it.
        return self.process_response(request, self.card(request, has_cookie))


def csrf_protect_with_card(page: Page, card: RejectedForm) -> Page:
    """Return the view with Django's CSRF check. The check does not depend on the site's middleware.

    ``csrf_exempt`` turns off the middleware's check for this view. It would run first and show Django's error page
    instead of ``card``.
    """
    return csrf_exempt(decorator_from_middleware_with_args(CardCsrfCheck)(card)(page))


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


SAVED = "_telroi_saved_session"


def save_session(request: HttpRequest, session: SessionBase) -> None:
    """Save the session before a call. Otherwise a second request would not know the call and request it again.

    Raises Unavailable if the database fails, and SessionInterrupted if the session was deleted meanwhile.
    """
    # SessionInterrupted is Django's own error for this case, and Django answers it with 400. The person may have logged
    # out in another tab, so no call must be placed in the old session.
    try:
        _save_with_reconnect(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_database_error(error):
            raise SessionInterrupted("The session was deleted while a call was requested.") from None
        close_lost_connections(error)
        raise Unavailable from None
    setattr(request, SAVED, _content(session))


def save_if_possible(request: HttpRequest, session: SessionBase) -> bool:
    """Save the session if it changed. Returns False if the database failed and the changes are lost.

    A lost connection is renewed once, because a database may close it during a long call. Raises SessionInterrupted if
    the session was deleted meanwhile.
    """
    # The content is compared, because ``modified`` stays True after a save, and a second save would cost a query. An
    # empty session has no row: Django deletes its cookie instead.
    if not session.modified or session.is_empty() or getattr(request, SAVED, None) == _content(session):
        return True
    try:
        _save_with_reconnect(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_database_error(error):
            raise SessionInterrupted("The session was deleted during this request.") from None
        close_lost_connections(error)
        return False
    setattr(request, SAVED, _content(session))
    return True


def tolerate_failed_save(request: HttpRequest, session: SessionBase) -> None:
    """Replace ``session.save`` so that Django's middleware does not raise after the view.

    The middleware saves the session after the view. A database error there would replace the response with an error
    page. Content that is saved already is not saved again.
    """
    save = session.save

    def save_unless_saved(must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if getattr(request, SAVED, None) == _content(session):
            return
        try:
            save(must_create)
        except (UpdateError, *DATABASE_LOST) as error:
            if not _is_database_error(error):
                raise
            close_lost_connections(error)

    session.save = save_unless_saved  # type: ignore[method-assign]


def renew_key(session: SessionBase, old_content: Mapping[str, Any], *, lifetime: timedelta) -> None:
    """Move the session's content to a new key. The old key keeps only ``old_content``, for ``lifetime``.

    Raises Unavailable if the database fails. Then the browser keeps the old key with its whole content.
    """
    # The new key is created first. If the process is killed before the old one is emptied, the browser's key still
    # knows everything. If it is killed afterwards, that key still knows the attempt, and the right code can be typed
    # again.
    old = type(session)(session.session_key)
    content = dict(session.items())
    session.create()
    session.update(content)
    if old.session_key is None:
        return
    old.clear()
    old.update(old_content)
    old.set_expiry(lifetime)
    try:
        _save_with_reconnect(old)
    except (UpdateError, *DATABASE_LOST) as error:
        if _is_database_error(error):
            close_lost_connections(error)
            raise Unavailable from None
        # Otherwise the session was deleted meanwhile, and the old key must keep nothing.


def _save_with_reconnect(session: SessionBase) -> None:
    # The connection is remembered before the save, so that only a connection that this save has lost is renewed. A new
    # session is created again: the failed save has given it a key, and a save with a key updates a row, which is
    # missing.
    model = getattr(session, "model", None)  # None if the session is not in a database
    using = router.db_for_write(model) if model else None
    before = connections[using].connection if using else None
    is_new = session.session_key is None
    try:
        session.save()
    except (UpdateError, *DATABASE_LOST) as error:
        if using is None or not _is_database_error(error) or not renew_connection(using, before=before):
            raise
        session.create() if is_new else session.save()


def _is_database_error(error: BaseException) -> bool:
    """Return whether the database failed. Django may hide its error behind UpdateError, as for a deleted session."""
    return isinstance(error, DATABASE_LOST) or isinstance(error.__context__, DATABASE_LOST)


def _content(session: SessionBase) -> bytes:
    """Return the session's content as bytes.

    Two dicts could be one object that was changed in place, so they would always be equal. Bytes are a copy.
    """
    content: bytes = session.serializer().dumps(dict(session.items()))
    return content
