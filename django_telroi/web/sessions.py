"""Saving the session where it must be saved, and answering where it cannot be.

Django saves a session after the view, in a middleware, and makes an error page of what goes wrong there: a bare 400 or
500 in place of an answer about a call that rings by then. So a page saves it before a call and before its answer, and
what the middleware saves after that may fail.
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
from django_telroi.services.transactions import DATABASE_LOST, note_lost_database, renew_connection

SAVED = "_telroi_saved_session"


def save_session(request: HttpRequest, session: SessionBase) -> None:
    """Write the session before a call, so that no page asks for the same one because it knows nothing of it.

    Raises Unavailable where its database fails, and SessionInterrupted where it was ended meanwhile.
    """
    try:
        _save_over_new_connection(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_lost(error):
            raise SessionInterrupted("The session was ended while a call was asked for.") from None
        note_lost_database(error)
        raise Unavailable from None
    setattr(request, SAVED, _content(session))


def save_if_possible(request: HttpRequest, session: SessionBase) -> bool:
    """Save what changed; whether nothing got lost. A connection that was cut, as during a long call, is replaced."""
    if not session.modified or session.is_empty() or getattr(request, SAVED, None) == _content(session):
        return True
    try:
        _save_over_new_connection(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_lost(error):
            raise SessionInterrupted("The session was ended while a page was made.") from None
        note_lost_database(error)
        return False
    setattr(request, SAVED, _content(session))
    return True


def let_later_save_fail(request: HttpRequest, session: SessionBase) -> None:
    """Keep Django's middleware, which saves the session after the view, from making an error page of the answer.

    What is saved already is not saved a second time.
    """
    save = session.save

    def save_what_is_new(must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        if getattr(request, SAVED, None) == _content(session):
            return
        try:
            save(must_create)
        except (UpdateError, *DATABASE_LOST) as error:
            if not _is_lost(error):
                raise
            note_lost_database(error)

    session.save = save_what_is_new  # type: ignore[method-assign]


def renew_key(session: SessionBase, left_behind: Mapping[str, Any], *, lifetime: timedelta) -> None:
    """Move all that the session holds to a new key. The old one holds ``left_behind`` only, and for so long.

    Raises Unavailable where its database fails: then the browser goes on with the old key and all that it held.
    """
    old = type(session)(session.session_key)
    held = dict(session.items())
    session.create()
    session.update(held)
    if old.session_key is None:
        return
    old.clear()
    old.update(left_behind)
    old.set_expiry(lifetime)
    try:
        _save_over_new_connection(old)
    except (UpdateError, *DATABASE_LOST) as error:
        if _is_lost(error):
            note_lost_database(error)
            raise Unavailable from None
        # Otherwise it was ended meanwhile: nothing is to be left behind.


def _save_over_new_connection(session: SessionBase) -> None:
    model = getattr(session, "model", None)  # None for a session that is in no database
    using = router.db_for_write(model) if model else None
    before = connections[using].connection if using else None
    is_new = session.session_key is None
    try:
        session.save()
    except (UpdateError, *DATABASE_LOST) as error:
        if using is None or not _is_lost(error) or not renew_connection(using, before=before):
            raise
        session.create() if is_new else session.save()


def _is_lost(error: BaseException) -> bool:
    """Whether the database failed; Django hides that behind an UpdateError, which is for sessions that were ended."""
    return isinstance(error, DATABASE_LOST) or isinstance(error.__context__, DATABASE_LOST)


def _content(session: SessionBase) -> bytes:
    """What the session holds, in the form in which two of them can be compared."""
    content: bytes = session.serializer().dumps(dict(session.items()))
    return content
