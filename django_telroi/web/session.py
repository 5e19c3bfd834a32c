"""What the session stores of a verification. A page saves it before a call and before its answer, not after the view:
Django's middleware turns an error of a later save into a bare 400 or 500, when the phone may ring already.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from math import ceil
from typing import Any, Literal
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.http import HttpRequest

from django_telroi.domain.codes import LengthFit
from django_telroi.errors import Unavailable, VerificationRefused
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.shared.transactions import DATABASE_LOST, note_lost_database, renew_connection
from django_telroi.web.posted_values import Value
from django_telroi.web.tickets import proven_attempt

SAVED = "_telroi_saved_session"


def save_session(request: HttpRequest, session: SessionBase) -> None:
    """Save the session before a call. Otherwise a second request would not know the call and request it again.

    Raises Unavailable if the database fails, and SessionInterrupted if the session was deleted meanwhile.
    """
    try:
        _save_with_reconnect(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_database_error(error):
            raise SessionInterrupted("The session was deleted while a call was requested.") from None
        note_lost_database(error)
        raise Unavailable from None
    setattr(request, SAVED, _content(session))


def save_if_possible(request: HttpRequest, session: SessionBase) -> bool:
    """Save the session if it changed. Returns False if the database failed and the changes are lost.

    A lost connection is renewed once, because a database may close it during a long call. Raises SessionInterrupted if
    the session was deleted meanwhile.
    """
    if not session.modified or session.is_empty() or getattr(request, SAVED, None) == _content(session):
        return True
    try:
        _save_with_reconnect(session)
    except (UpdateError, *DATABASE_LOST) as error:
        if not _is_database_error(error):
            raise SessionInterrupted("The session was deleted during this request.") from None
        note_lost_database(error)
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
            note_lost_database(error)

    session.save = save_unless_saved  # type: ignore[method-assign]


def renew_key(session: SessionBase, old_content: Mapping[str, Any], *, lifetime: timedelta) -> None:
    """Move the session's content to a new key. The old key keeps only ``old_content``, for ``lifetime``.

    Raises Unavailable if the database fails. Then the browser keeps the old key with its whole content.
    """
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
            note_lost_database(error)
            raise Unavailable from None
        # Otherwise the session was deleted meanwhile, and the old key must keep nothing.


def _save_with_reconnect(session: SessionBase) -> None:
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
    """Return the session's content as bytes, which can be compared."""
    content: bytes = session.serializer().dumps(dict(session.items()))
    return content


SESSION_KEY = "telroi"
PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Sec-Purpose", "X-Purpose", "X-Moz")
"""Request headers of browsers and of Turbo for a prefetch."""

NEWER_CALL, SHORT_CODE = "newer_call", "short_code"
"""Reasons why a page does not check a code: it was typed for an older call, or a digit may be missing."""

About = Literal["number", "code", "call"]


@dataclass(frozen=True)
class Notice:
    """The result of the last form, for the page after the redirect. It is shown once.

    ``code``: of a rejection or of a check, ``NEWER_CALL`` or ``SHORT_CODE``; ``""`` for no message. ``over_at``: end of
    the wait, in seconds since the epoch. ``length_fit``: of a code with a wrong length. ``digits``: the number of typed
    digits of a code that may be too short. ``typed``, ``problems``: ``values`` and ``problems`` of PostedValues.
    """

    about: About
    code: str = ""
    over_at: float | None = None
    tries_left: int | None = None
    length_fit: str = ""
    digits: int = 0
    typed: Mapping[str, Value] = field(default_factory=dict, repr=False)
    problems: Mapping[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def wait(self) -> int:
        """Seconds that are left of the wait, 0 if there is none."""
        return 0 if self.over_at is None else max(0, ceil(self.over_at - time.time()))


@dataclass(frozen=True)
class Flow:
    """The state of one verification in the session, for one purpose.

    ``older``: the call whose code is valid until ``attempt``, requested by "Call again", is placed. ``is_proven``: this
    session typed the right code; a verified attempt means success only then. ``is_renewed``: this is the session's old
    key; the right code gave the session a new key, which the browser may not have received.
    """

    attempt: UUID | None = None
    next: str = ""
    notice: Notice | None = None
    older: UUID | None = None
    is_proven: bool = False
    is_renewed: bool = False

    @property
    def shown(self) -> UUID | None:
        """The attempt that the card shows."""
        return self.older or self.attempt


def notice_of(refusal: VerificationRefused, *, about: About) -> Notice:
    over_at = None if refusal.retry_after is None else time.time() + refusal.retry_after
    return Notice(about, refusal.code, over_at=over_at)


def notice_of_check(refusal: VerificationRefused) -> Notice:
    """Return the notice for a code that could not be checked."""
    if refusal.code == CheckOutcome.UNAVAILABLE:
        return Notice("code", CheckOutcome.UNAVAILABLE)
    return notice_of(refusal, about="call")


def notice_of_result(result: CheckResult, *, digits: int) -> Notice:
    """Return the notice for a code of ``digits`` digits that is not right, or that may be too short."""
    if result.length_fit == LengthFit.PERHAPS_TOO_SHORT:
        return Notice("code", SHORT_CODE, digits=digits)
    return Notice("code", result.outcome, tries_left=result.tries_left, length_fit=result.length_fit or "")


def read_flow(request: HttpRequest, purpose: str) -> Flow:
    """Return the flow of the session, or an empty one if another version of this app wrote it.

    If the session has no flow of this purpose, or has its old key, the cookie shows whether this browser typed the
    right code.
    """
    stored = _flows(request).get(purpose)
    if stored is None:
        attempt = proven_attempt(request, purpose)
        return Flow(attempt, is_proven=attempt is not None)
    try:
        attempt, older, notice = stored.get("attempt"), stored.get("older"), stored.get("notice")
        flow = Flow(
            UUID(attempt) if attempt else None,
            stored.get("next", ""),
            Notice(**notice) if notice else None,
            UUID(older) if older else None,
            stored.get("is_proven") is True,
            stored.get("is_renewed") is True,
        )
    except (TypeError, ValueError, AttributeError):
        return Flow()
    if flow.is_renewed and flow.attempt:
        # Only the cookie shows it, because an attacker may have the old key too.
        return replace(flow, is_proven=flow.attempt == proven_attempt(request, purpose))
    return flow


def is_known(request: HttpRequest, purpose: str) -> bool:
    """Return whether there is a flow of this purpose, in the session or in the cookie after a right code."""
    return purpose in _flows(request) or proven_attempt(request, purpose) is not None


def save_flow(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Write the flow to the session if it changed."""
    if flow != read_flow(request, purpose):
        session_of(request)[SESSION_KEY] = _flows(request) | {purpose: _serialized(flow)}


def renew_session(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Give the session a new key. The old key keeps only the attempt, for as long as its code may be typed again.

    Django's ``cycle_key`` deletes the old key. A browser that did not receive the response, because the process was
    killed or the connection broke, would then see that its call is unknown.
    """
    old_content = {SESSION_KEY: {purpose: _serialized(Flow(flow.attempt, flow.next, is_renewed=True))}}
    renew_key(session_of(request), old_content, lifetime=RIGHT_CODE_LIFETIME)


def _serialized(flow: Flow) -> dict[str, Any]:
    """Return the flow as JSON-compatible values."""
    return {
        "attempt": flow.attempt.hex if flow.attempt else None,
        "next": flow.next,
        "notice": asdict(flow.notice) if flow.notice else None,
        "older": flow.older.hex if flow.older else None,
        "is_proven": flow.is_proven,
        "is_renewed": flow.is_renewed,
    }


def pop_notice(request: HttpRequest, purpose: str) -> Notice | None:
    """Return the notice and delete it from the session, together with the typed values.

    It is not deleted for a HEAD request or a prefetch, because a person may not see that response.
    """
    flow = read_flow(request, purpose)
    if not is_unseen(request):
        save_flow(request, purpose, replace(flow, notice=None))
    return flow.notice


def is_unseen(request: HttpRequest) -> bool:
    """Return whether the response may be shown later or not at all: a HEAD request or a prefetch."""
    purposes = " ".join(request.headers.get(name, "") for name in PREFETCH_HEADERS).lower()
    return request.method == "HEAD" or "prefetch" in purposes or "preview" in purposes


def session_of(request: HttpRequest) -> SessionBase:
    """Return the session. Raises ImproperlyConfigured if the site has no sessions."""
    session: SessionBase | None = getattr(request, "session", None)
    if session is None:
        raise ImproperlyConfigured(
            "request.session is not set, but the phone pages need it. Add 'django.contrib.sessions' to INSTALLED_APPS "
            "and 'django.contrib.sessions.middleware.SessionMiddleware' to MIDDLEWARE."
        )
    return session


def _flows(request: HttpRequest) -> dict[str, Any]:
    flows = session_of(request).get(SESSION_KEY)
    return flows if isinstance(flows, dict) else {}
