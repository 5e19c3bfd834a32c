"""What the forms of a card carry back: signed, so that a browser can send it but not write it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core import signing
from django.http import HttpRequest
from django.middleware.csrf import get_token

SALT = "django_telroi.web.ticket"


@dataclass(frozen=True)
class Ticket:
    """``new_attempt`` becomes the id of a call that is asked for with this form, so a double click is one call.

    ``back`` is the page that a card was dropped into, ``""`` on our own. ``shown_attempt`` is what the card was about;
    the session knows that too, unless a double click's first half has just renewed it.
    """

    new_attempt: UUID
    shown_attempt: UUID | None = None
    purpose: str = ""
    next: str = ""
    back: str = ""


def seal(ticket: Ticket, request: HttpRequest) -> str:
    """The ticket as text, good for this browser only."""
    shown = ticket.shown_attempt.hex if ticket.shown_attempt else ""
    fields = [ticket.new_attempt.hex, shown, ticket.purpose, ticket.next, ticket.back]
    return signing.dumps(fields, salt=_salt(request), compress=True)


def open_ticket(text: str, request: HttpRequest) -> Ticket | None:
    """None for what we did not sign, or signed for somebody else."""
    try:
        new, shown, purpose, next_, back = signing.loads(text, salt=_salt(request))
    except signing.BadSignature:
        return None
    return Ticket(UUID(new), UUID(shown) if shown else None, purpose, next_, back)


def _salt(request: HttpRequest) -> str:
    # Bound to the browser's CSRF secret: a page that a cache hands to two people must not give both the same attempt.
    # It lives exactly as long as the token beside it in the form.
    get_token(request)
    return f"{SALT}:{request.META['CSRF_COOKIE']}"
