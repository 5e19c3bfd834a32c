"""A card on a page: its position, and the URLs and the ticket of its forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.encoding import iri_to_uri
from django.utils.http import url_has_allowed_host_and_scheme

from django_telroi import conf
from django_telroi.web.session import is_unseen
from django_telroi.web.tickets import Ticket, new_nonce, sign_ticket

Heading = Literal["h1", "h2", "h3", "h4", "h5", "h6"]

LONGEST_ADDRESS = 2_000
"""Greatest number of characters of a URL that is kept for a redirect. Django rejects URLs of more than 2,048.

Without a limit, one GET with a long query would fill the session's row, each form and each redirect.
"""


@dataclass(frozen=True)
class Card:
    """The template variable ``card``. ``here`` is the URL of the page that shows the card.

    ``is_ahead``: the browser prefetches the page, so the script reloads the card when the page is shown.
    """

    id: str
    heading: Heading
    here: str
    ticket: str
    is_dropped_in: bool
    start_url: str
    code_url: str
    again_url: str
    change_url: str
    add_url: str
    status_url: str
    continue_url: str
    takes_focus: bool
    is_ahead: bool


@dataclass(frozen=True)
class CardPlace:
    """The position and the purpose of a card.

    ``back`` is the URL of the page of the site that includes the card, ``""`` on the pages of this app. A ``back`` or
    ``next`` that is too long or on another site is ignored. Without a ``back`` the card redirects to the pages of this
    app. ``ordinal`` counts the cards of one page from 1.
    """

    purpose: str = ""
    next: str = ""
    back: str = ""
    ordinal: int = 1
    heading: Heading = "h1"
    takes_focus: bool = True

    @property
    def card_id(self) -> str:
        return f"telroi-{self.ordinal}"

    @property
    def auto_id(self) -> str:
        return f"{self.card_id}-%s"


def card_at(place: CardPlace, request: HttpRequest, *, shown_attempt: UUID | None, asked_digits: int = 0) -> Card:
    """Return the card. Its ticket has a new nonce. ``asked_digits`` is the value of its ``Step``."""
    back, next_ = (url if is_safe(url, request) else "" for url in (place.back, place.next))
    ticket = Ticket(
        nonce=new_nonce(),
        shown_attempt=shown_attempt,
        purpose=place.purpose,
        next=next_,
        back=back,
        asked_digits=asked_digits,
    )
    here = back or current_address(request) or page_url("start", place.purpose)
    goal = goal_of(next_, request)
    return Card(
        id=place.card_id,
        heading=place.heading,
        here=here,
        ticket=sign_ticket(ticket, request),
        is_dropped_in=bool(back),
        start_url=page_url("start", place.purpose),
        code_url=page_url("code", place.purpose),
        again_url=page_url("call-again", place.purpose),
        change_url=page_url("change-number", place.purpose),
        add_url=page_url("add-number", place.purpose),
        status_url=page_url("status", place.purpose),
        continue_url="" if goal == here else goal,
        takes_focus=place.takes_focus,
        is_ahead=is_unseen(request),
    )


def page_url(name: str, purpose: str, *flags: str) -> str:
    """Return the URL of a page. It contains the purpose, which is not secret, but never the attempt or the number."""
    query = ({"purpose": purpose} if purpose else {}) | dict.fromkeys(flags, "1")
    return reverse(f"telroi:{name}") + ("?" + urlencode(query) if query else "")


def goal_of(next_: str, request: HttpRequest) -> str:
    """Return the URL after success: ``next`` if it is on this site, else ``SUCCESS_URL``, else ``""``."""
    if is_safe(next_, request):
        return next_
    success_url = conf.success_url()
    return resolve_url(str(success_url)) if success_url else ""


def is_safe(url: str, request: HttpRequest) -> bool:
    """Return whether ``url`` is on this site and short enough to be kept."""
    return is_short(url) and url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )


def is_short(url: str) -> bool:
    """Return whether ``url`` is short enough to be kept, also in its encoded form. False for ``""``."""
    return 0 < len(url) <= LONGEST_ADDRESS and len(iri_to_uri(url)) <= LONGEST_ADDRESS


def current_address(request: HttpRequest) -> str:
    """Return the URL of the request: without its query if the URL is too long, ``""`` if the path alone is too long."""
    return next(filter(is_short, (request.get_full_path(), request.path)), "")
