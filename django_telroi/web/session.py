"""What the session stores of a verification: one flow for each purpose, with the notice for the next page; the country.

It stores the id of the attempt and never the code. The number is stored only while the person may correct it. The
country is that of the last number in this session, or the one that the browser's language names.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.forms import Form
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import parse_phone
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.requester import visitor_region
from django_telroi.web.notices import FORGOTTEN, Notice, read_notice, saved_notice
from django_telroi.web.page_guards import renew_key
from django_telroi.web.tickets import open_waiting_number, proven_attempt

SESSION_KEY = "telroi"
PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Sec-Purpose", "X-Purpose", "X-Moz")
"""Request headers of browsers and of Turbo for a prefetch."""


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
