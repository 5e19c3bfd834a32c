"""What the session keeps of a verification: which attempt, where to go afterwards, and what to say once.

One flow a purpose, so that two cards on a page do not disturb each other. No code is ever kept, and a number only as
long as it takes to show it again to the person who typed it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Any, Literal
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_telroi.domain.codes import LengthFit
from django_telroi.errors import VerificationRefused
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.overdue import RIGHT_CODE_LIFETIME
from django_telroi.web.proven import proven_attempt
from django_telroi.web.sessions import renew_key, save_session
from django_telroi.web.typed import Value

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


def keep_flow(request: HttpRequest, purpose: str, flow: Flow) -> None:
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
        keep_flow(request, purpose, replace(flow, notice=None))
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
