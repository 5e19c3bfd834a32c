"""What the session keeps of a verification, and saving it before a call and before the answer."""

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


SESSION_KEY = "telroi"
PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Sec-Purpose", "X-Purpose", "X-Moz")
"""In which browsers, and Turbo, say that a page is fetched in advance."""

NEWER_CALL, SHORT_CODE = "newer_call", "short_code"
"""Why a page does not have a code judged: it was typed for an older call, or it may lack a digit."""

About = Literal["number", "code", "call"]


@dataclass(frozen=True)
class Notice:
    """What came of the last form, for the page that its redirect leads to. It is shown once.

    ``code`` is a refusal's or a check's, ``NEWER_CALL`` or ``SHORT_CODE``, ``""`` if there is nothing to say;
    ``over_at`` is when its wait is over, in seconds since the epoch. ``length_fit`` is that of a code that is invalid
    because of its length, ``digits`` how many were typed of one that is perhaps too short. ``typed`` and
    ``problems`` are those of ``typed.Typed``.
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
        """Seconds that are left of it."""
        return 0 if self.over_at is None else max(0, ceil(self.over_at - time.time()))


@dataclass(frozen=True)
class Flow:
    """Where one person stands with one purpose.

    ``older`` is the call whose code still counts while ``attempt``, which was requested by "call again", is not placed.
    ``is_proven``: this session typed the code that was judged right. Only then does a verified attempt mean success.
    ``is_renewed``: this is the session's old key. The right code gave the session a new one, which may never have come
    to the browser.
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
    """Why a code was judged by nobody."""
    if refusal.code == CheckOutcome.UNAVAILABLE:
        return Notice("code", CheckOutcome.UNAVAILABLE)
    return notice_of(refusal, about="call")


def notice_of_result(result: CheckResult, *, digits: int) -> Notice:
    """Why a code of so many digits did not verify. A code that is perhaps too short is asked about."""
    if result.length_fit == LengthFit.PERHAPS_TOO_SHORT:
        return Notice("code", SHORT_CODE, digits=digits)
    return Notice("code", result.outcome, tries_left=result.tries_left, length_fit=result.length_fit or "")


def read_flow(request: HttpRequest, purpose: str) -> Flow:
    """The flow as the session has it; what another version of us wrote there counts as nothing.

    A browser that typed the right code shows it by a cookie, where its session knows nothing of the purpose or has its
    old key.
    """
    kept = _flows(request).get(purpose)
    if kept is None:
        attempt = proven_attempt(request, purpose)
        return Flow(attempt, is_proven=attempt is not None)
    try:
        attempt, older, notice = kept.get("attempt"), kept.get("older"), kept.get("notice")
        flow = Flow(
            UUID(attempt) if attempt else None,
            kept.get("next", ""),
            Notice(**notice) if notice else None,
            UUID(older) if older else None,
            kept.get("is_proven") is True,
            kept.get("is_renewed") is True,
        )
    except (TypeError, ValueError, AttributeError):
        return Flow()
    if flow.is_renewed and flow.attempt:
        # The cookie alone says so: a stranger may have the old key too.
        return replace(flow, is_proven=flow.attempt == proven_attempt(request, purpose))
    return flow


def is_known(request: HttpRequest, purpose: str) -> bool:
    """Whether the session, or the cookie of a browser that typed the right code, knows a flow of this purpose."""
    return purpose in _flows(request) or proven_attempt(request, purpose) is not None


def save_flow(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Write the flow, if it is another than the session has."""
    if flow != read_flow(request, purpose):
        session_of(request)[SESSION_KEY] = _flows(request) | {purpose: _kept(flow)}


def renew_session(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Give the session a new key. Its old key keeps which code may be typed again, for as long as that code counts.

    Django's ``cycle_key`` keeps nothing under the old key. A browser that never got the answer, because the process was
    killed or the line was cut, would then read that its call is not known.
    """
    left_behind = {SESSION_KEY: {purpose: _kept(Flow(flow.attempt, flow.next, is_renewed=True))}}
    renew_key(session_of(request), left_behind, lifetime=RIGHT_CODE_LIFETIME)


def _kept(flow: Flow) -> dict[str, Any]:
    """The flow as the session holds it."""
    return {
        "attempt": flow.attempt.hex if flow.attempt else None,
        "next": flow.next,
        "notice": asdict(flow.notice) if flow.notice else None,
        "older": flow.older.hex if flow.older else None,
        "is_proven": flow.is_proven,
        "is_renewed": flow.is_renewed,
    }


def take_notice(request: HttpRequest, purpose: str) -> Notice | None:
    """What there is to say; the session forgets it, and with it what was typed.

    It forgets nothing for a request whose answer nobody sees: a HEAD, or a browser that fetches a page in advance.
    """
    flow = read_flow(request, purpose)
    if not is_unseen(request):
        save_flow(request, purpose, replace(flow, notice=None))
    return flow.notice


def is_unseen(request: HttpRequest) -> bool:
    """Whether the answer may be shown to nobody, or later than now."""
    purposes = " ".join(request.headers.get(name, "") for name in PREFETCH_HEADERS).lower()
    return request.method == "HEAD" or "prefetch" in purposes or "preview" in purposes


def save_now(request: HttpRequest) -> None:
    """Write the session before a call: see ``save_session``."""
    save_session(request, session_of(request))


def session_of(request: HttpRequest) -> SessionBase:
    """The session; a site without one is told what to add."""
    session: SessionBase | None = getattr(request, "session", None)
    if session is None:
        raise ImproperlyConfigured(
            "The phone pages keep their place in the session: add 'django.contrib.sessions' to INSTALLED_APPS and "
            "'django.contrib.sessions.middleware.SessionMiddleware' to MIDDLEWARE."
        )
    return session


def _flows(request: HttpRequest) -> dict[str, Any]:
    flows = session_of(request).get(SESSION_KEY)
    return flows if isinstance(flows, dict) else {}
