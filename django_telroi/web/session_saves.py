"""Saving the session when a database fails or another request deletes it meanwhile.

A page saves the session before a call and before its response. Django's middleware saves it after the view, and turns
an error of that save into a bare 400 or 500, when the phone may ring already.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connections, router
from django.http import HttpRequest

from django_telroi.errors import Unavailable
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections, renew_connection

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
