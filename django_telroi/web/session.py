"""What the session stores of a verification: one flow for each purpose, the notice for the next page, and the country.

It stores the id of the attempt and never the code. The number is stored only while the person may correct it. The
country is that of the last number in this session, or the one that the browser's language names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.forms import Form
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import mask, parse_phone
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.errors import MAX_WAIT, VerificationRefused
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.requester import visitor_region
from django_telroi.services.shared.secrets import pack, unpack
from django_telroi.web.page_guards import renew_key
from django_telroi.web.posted_values import Value
from django_telroi.web.tickets import open_waiting_number, proven_attempt, seal_waiting_number

SESSION_KEY = "telroi"
NOTICE_SALT = "django_telroi.web.notice"
KEEP_NUMBER_FOR = 3600
"""Seconds after a wait in which the card still knows the number."""

PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Sec-Purpose", "X-Purpose", "X-Moz")
"""Request headers of browsers and of Turbo for a prefetch."""

NEWER_CALL, SHORT_CODE = "newer_call", "short_code"
"""Reasons why a page does not check a code: it was typed for an older call, or a digit may be missing."""

CODES_OF_CHECKS = frozenset({"", NEWER_CALL, SHORT_CODE, *CheckOutcome})
"""The codes of a notice about a typed code."""

FORGOTTEN = "forgotten"
"""Reason why a page asks for the number again: the number of a call that had to wait is not known any more."""

SAME_NUMBER = "same_number"
"""Reason why a page does not request a call: the user has this number already."""

About = Literal["number", "code", "call"]


@dataclass(frozen=True)
class Notice:
    """The result of the last form, for the page after the redirect. It is shown once, or during a wait.

    ``code``: of a rejection or of a check, ``NEWER_CALL`` or ``SHORT_CODE``; ``""`` for no message. ``over_at``: end of
    the wait, in seconds since the epoch. ``length_fit``: of a code with a wrong length. ``digits``: the number of typed
    digits of a code that may be too short. ``number``: the sealed number of a call that must wait, for the button that
    requests it again; ``masked``: the same number for display. Such a notice is shown as long as the sealed number is
    valid; ``is_shown``: it was shown before. ``typed``, ``problems``: ``values`` and ``problems`` of PostedValues.
    """

    about: About
    code: str = ""
    over_at: float | None = None
    tries_left: int | None = None
    length_fit: str = ""
    digits: int = 0
    number: str = field(default="", repr=False)
    masked: str = ""
    is_shown: bool = False
    typed: Mapping[str, Value] = field(default_factory=dict, repr=False)
    problems: Mapping[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def wait(self) -> int:
        """Seconds that are left of the wait, 0 if there is none."""
        return 0 if self.over_at is None else max(0, math.ceil(self.over_at - time.time()))


@dataclass(frozen=True)
class Flow:
    """The state of one verification in the session, for one purpose.

    ``older``: the call whose code is valid until ``attempt``, requested by "Call again", is placed. ``is_proven``: this
    session typed the right code; a verified attempt means success only then. ``is_renewed``: this is the session's old
    key; the right code gave the session a new key, which the browser may not have received. ``stored``: the number
    on file (``tickets.seal_number``), ``""`` if the person typed the number. ``replaces``: the sealed number that the
    verified one replaces in the user's account, ``""`` if it replaces none. ``is_changing``: the person asks for
    another number, and ``attempt`` still takes its code. ``kept``: the call to the former number, whose code is valid
    until ``attempt``, a call to another number, is placed. ``why``: the reason of a gate, as in ``Ticket``.
    """

    attempt: UUID | None = None
    next: str = ""
    notice: Notice | None = None
    older: UUID | None = None
    is_proven: bool = False
    is_renewed: bool = False
    stored: str = field(default="", repr=False)
    replaces: str = field(default="", repr=False)
    is_changing: bool = False
    kept: UUID | None = None
    why: str = ""

    @property
    def shown(self) -> UUID | None:
        """The attempt that the card shows."""
        return self.older or self.attempt


def notice_of(refusal: VerificationRefused, *, about: About) -> Notice:
    # The end of the wait is stored, not its length, because the page may be shown or loaded again later.
    over_at = None if refusal.retry_after is None else time.time() + refusal.retry_after
    return Notice(about, refusal.code, over_at=over_at)


def with_number(notice: Notice, number: str, request: HttpRequest) -> Notice:
    """Return the notice of a call to ``number`` (E.164) that must wait. It is kept until an hour after the wait."""
    ends_at = (notice.over_at or time.time()) + KEEP_NUMBER_FOR
    return replace(notice, number=seal_waiting_number(number, request, ends_at=ends_at), masked=mask(number))


@sensitive_variables()
def shown_waiting_number(request: HttpRequest, notice: Notice | None, sealed: str) -> str:
    """Return the number (E.164) of ``sealed``, ``""`` if it has expired or is not that of ``notice``.

    It is accepted only from the session whose card has it.
    """
    is_shown_here = notice is not None and notice.number != "" and constant_time_compare(sealed, notice.number)
    return (open_waiting_number(sealed, request) or "") if is_shown_here else ""


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
    saved = _flows(request).get(purpose)
    if saved is None:
        attempt = proven_attempt(request, purpose)
        return Flow(attempt, is_proven=attempt is not None)
    # An older or newer version of this app may have written the flow, with other fields. The person then starts again,
    # which is better than an error on each page until the session ends.
    try:
        attempt, older, notice = saved.get("attempt"), saved.get("older"), saved.get("notice")
        kept = saved.get("kept")
        flow = Flow(
            UUID(attempt) if attempt else None,
            saved.get("next", ""),
            read_notice(notice) if notice else None,
            UUID(older) if older else None,
            saved.get("is_proven") is True,
            saved.get("is_renewed") is True,
            saved.get("stored", ""),
            saved.get("replaces", ""),
            saved.get("is_changing") is True,
            UUID(kept) if kept else None,
            saved.get("why", ""),
        )
    except (TypeError, ValueError, AttributeError):
        return Flow()
    if flow.is_renewed and flow.attempt:
        # Only the cookie shows it, because an attacker may have the old key too.
        return replace(flow, is_proven=flow.attempt == proven_attempt(request, purpose))
    return flow


def has_flow(request: HttpRequest, purpose: str) -> bool:
    """Return whether there is a flow of this purpose, in the session or in the cookie after a right code."""
    return purpose in _flows(request) or proven_attempt(request, purpose) is not None


def save_flow(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Write the flow to the session if it changed."""
    # An unchanged flow must not mark the session as modified: each save costs a query, and races with other tabs.
    if flow != read_flow(request, purpose):
        session_of(request)[SESSION_KEY] = _flows(request) | {purpose: _serialize(flow)}


def renew_session(request: HttpRequest, purpose: str, flow: Flow) -> None:
    """Give the session a new key. The old key keeps only the attempt, for as long as its code may be typed again.

    Django's ``cycle_key`` deletes the old key. A browser that did not receive the response, because the process was
    killed or the connection broke, would then see that its call is unknown. With ``CSRF_USE_SESSIONS`` the old key also
    keeps the CSRF token. Otherwise the code could not be sent again with the form that the browser shows.
    """
    old_flow = Flow(flow.attempt, flow.next, is_renewed=True, stored=flow.stored)
    session = session_of(request)
    old_content: dict[str, Any] = {SESSION_KEY: {purpose: _serialize(old_flow)}}
    if CSRF_SESSION_KEY in session:
        old_content[CSRF_SESSION_KEY] = session[CSRF_SESSION_KEY]
    renew_key(session, old_content, lifetime=RIGHT_CODE_LIFETIME)


def _serialize(flow: Flow) -> dict[str, Any]:
    """Return the flow as JSON-compatible values."""
    return {
        "attempt": flow.attempt.hex if flow.attempt else None,
        "next": flow.next,
        "notice": saved_notice(flow.notice) if flow.notice else None,
        "older": flow.older.hex if flow.older else None,
        "is_proven": flow.is_proven,
        "is_renewed": flow.is_renewed,
        "stored": flow.stored,
        "replaces": flow.replaces,
        "is_changing": flow.is_changing,
        "kept": flow.kept.hex if flow.kept else None,
        "why": flow.why,
    }


@sensitive_variables()
def saved_notice(notice: Notice) -> dict[str, Any]:
    """Return the notice as JSON-compatible values. It has digits of the number, so it is encrypted like the number."""
    values = asdict(notice)
    return {"sealed": pack(values, salt=NOTICE_SALT)} if is_number_sealed() else values


@sensitive_variables()
def read_notice(saved: Mapping[str, Any]) -> Notice | None:
    """Return the notice of ``saved_notice``. None if it was encrypted with a key that the site does not have."""
    values = unpack(saved["sealed"], salt=NOTICE_SALT) if "sealed" in saved else saved
    return None if values is None else _showable(Notice(**values))


def _showable(notice: Notice) -> Notice | None:
    """Return the notice, None if no page can show it: another version of this app wrote its code or its wait."""
    code: Any = notice.code
    over_at: Any = notice.over_at
    is_known = isinstance(code, str) and (notice.about != "code" or code in CODES_OF_CHECKS)
    if over_at is None:
        return notice if is_known else None
    is_moment = isinstance(over_at, int | float) and math.isfinite(over_at) and notice.wait <= MAX_WAIT
    return notice if is_known and is_moment else None


def pop_notice(request: HttpRequest, purpose: str) -> Notice | None:
    """Return the notice and delete it from the session, together with the typed values.

    A notice with the number of a call that must wait stays, so that a reload shows the same card. A notice is not
    deleted for a HEAD request or a prefetch, because a person may not see that response.
    """
    flow = read_flow(request, purpose)
    notice, kept = flow.notice, None
    if notice and notice.number:
        if open_waiting_number(notice.number, request) is not None:
            kept = replace(notice, is_shown=True)
        else:
            notice = _without_number(flow, notice)
    if not is_unseen(request):
        save_flow(request, purpose, replace(flow, notice=kept))
    return notice


def _without_number(flow: Flow, notice: Notice) -> Notice | None:
    """Return the notice of a call that must wait, without its number: it expired, or is of another person.

    After a login the number may be of another person, but the wait is shown: this browser asked for the call.
    """
    if notice.wait:
        return replace(notice, number="", masked="")
    return None if flow.stored else Notice("number", FORGOTTEN)


def is_unseen(request: HttpRequest) -> bool:
    """Return whether the response may be shown later or not at all: a HEAD request or a prefetch."""
    # "preview" is Safari's word, "prefetch" that of all others.
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
    # The site shares the session, so another app may have used this key.
    flows = session_of(request).get(SESSION_KEY)
    return flows if isinstance(flows, dict) else {}


COUNTRY_KEY = "telroi_country"
"""The key of the session with the country of the visitor's last number, as an ISO 3166 code."""


def form_options(request: HttpRequest) -> dict[str, Any]:
    """Return the arguments of a ``PhoneForm`` that depend on the visitor."""
    country = session_of(request).get(COUNTRY_KEY, "") if conf.country_choice() else ""
    return {"visitor_region": visitor_region(request), "country": country}


@sensitive_variables()
def remember_country(request: HttpRequest, form: Form, number: str) -> None:
    """Keep the country of the accepted ``number`` (E.164) for the next form of this session.

    It may differ from the chosen country, which does not change a number with its country code or a suggested one.
    Does nothing if ``form`` has no choice, or not this country.
    """
    choice: Any = form.fields.get("phone_country")
    session, region = session_of(request), parse_phone(number).region
    if choice and choice.valid_value(region) and session.get(COUNTRY_KEY) != region:
        session[COUNTRY_KEY] = region
