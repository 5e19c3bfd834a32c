"""``{% phone_verify %}``: a verification inside any page, beside whatever else stands there.

``{% phone_proof %}`` hands its proof to the page's own form, and ``user|phone_verified`` tells who has been through it.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.template import Context
from django.utils.html import format_html

from django_telroi import conf
from django_telroi.errors import Unavailable
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.services.accounts.proofs import proof_for
from django_telroi.services.sentences import duration
from django_telroi.services.shared.transactions import DATABASE_LOST, note_lost_database
from django_telroi.web import card_texts
from django_telroi.web.card_state import dropped_in_step, settle_older
from django_telroi.web.cards import CardPlace, Heading, card_at, current_address
from django_telroi.web.session import Notice, read_flow, take_notice

register = template.Library()

register.filter("telroi_clock", card_texts.clock_text)
register.filter("telroi_duration", duration)


@register.inclusion_tag("telroi/phone_verify.html", takes_context=True)
def phone_verify(
    context: Context,
    next: str = "",  # noqa: A002 - the tag's own word
    purpose: str = "",
    heading: Heading = "h2",
) -> dict[str, Any]:
    """Verify a phone here: ``{% phone_verify next="/account/" purpose="signup" heading="h3" %}``.

    It stands beside the forms of the page, never inside one. ``next`` is where success leads, if it stays on this site.
    """
    request = _request_of(context)
    _refuse_unknown(purpose, tag="phone_verify")
    if heading not in get_args(Heading):
        raise ImproperlyConfigured('phone_verify: heading must be one of "h1" to "h6".')
    answer, attempt = _kept(request, purpose)
    place = CardPlace(
        purpose=purpose,
        next=next,
        back=current_address(request),
        ordinal=_ordinal(request),
        heading=heading,
        takes_focus=answer is not None,  # a page that is merely opened keeps its own
    )
    step = dropped_in_step(request, place, answer)
    card = card_at(place, request, shown_attempt=attempt, asked_digits=step.asked_digits)
    return {"request": request, "card": card, "step": step}


@register.inclusion_tag("telroi/assets.html", takes_context=True)
def telroi_assets(context: Context) -> dict[str, bool]:
    """The stylesheet and the script, the first time in a page; nothing after that."""
    request = _request_of(context)
    is_first = not getattr(request, "_telroi_has_assets", False)
    request._telroi_has_assets = True  # type: ignore[attr-defined]
    return {"is_first": is_first}


@register.simple_tag(takes_context=True)
def phone_proof(context: Context, purpose: str = "", name: str = "phone_proof") -> str:
    """The proof of this person as a hidden input, for a form with a ``ProofField``; nothing if they have none.

    ``{% phone_proof purpose="signup" name="phone_proof" %}`` stands inside the form. It serves people without an
    account: who is logged in needs no proof.
    """
    request = _request_of(context)
    _refuse_unknown(purpose, tag="phone_proof")
    proof = _proof(request, purpose)
    return format_html('<input type="hidden" name="{}" value="{}" data-telroi-proof>', name, proof) if proof else ""


@register.filter("phone_verified")
def is_phone_verified(user: Any, purpose: str | None = None) -> bool:
    """``{% if user|phone_verified %}``, or ``{% if user|phone_verified:"payout" %}`` for one purpose."""
    return _has_phone(user, purpose=purpose)


@register.simple_tag(name="phone_verified")
def is_phone_verified_lately(user: Any, purpose: str | None = None, max_age: timedelta | float | None = None) -> bool:
    """The filter with an age: ``{% phone_verified user purpose="payout" max_age=86400 as is_fresh %}``, in seconds."""
    age = timedelta(seconds=max_age) if isinstance(max_age, int | float) else max_age
    return _has_phone(user, purpose=purpose, max_age=age)


def _has_phone(user: Any, *, purpose: str | None, max_age: timedelta | None = None) -> bool:
    """A template's ``user`` may be anonymous, or nothing at all. Where the database cannot say, it is a no."""
    try:
        if not getattr(user, "is_authenticated", False):
            return False
        return known_phone_record(user).has_phone(purpose=purpose, max_age=max_age)
    except (Unavailable, *DATABASE_LOST):
        return False


def _kept(request: HttpRequest, purpose: str) -> tuple[Notice | None, UUID | None]:
    """What there is to say, and the attempt; nothing where the session is in a database that is gone.

    The page around belongs to the site, and must not fail with the card.
    """
    try:
        with suppress(Unavailable):  # the card says so itself
            settle_older(request, purpose)
        return take_notice(request, purpose), read_flow(request, purpose).shown
    except DATABASE_LOST as error:
        note_lost_database(error)
        return None, None


def _proof(request: HttpRequest, purpose: str) -> str | None:
    try:
        flow = read_flow(request, purpose)
        proven = flow.attempt if flow.is_proven else None
        return proof_for(proven, user=getattr(request, "user", None)) if proven else None
    except DATABASE_LOST as error:
        note_lost_database(error)
        return None


def _refuse_unknown(purpose: str, *, tag: str) -> None:
    if purpose not in conf.purposes():
        raise ImproperlyConfigured(f'{tag}: the purpose "{purpose}" is not in TELROI["PURPOSES"].')


def _request_of(context: Context) -> HttpRequest:
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        raise ImproperlyConfigured(
            "A tag of telroi needs the request in the template's context: add "
            "'django.template.context_processors.request' to the context processors and render with a request."
        )
    return request


def _ordinal(request: HttpRequest) -> int:
    """Which card of this page it is, so that no two have the same ids."""
    ordinal: int = getattr(request, "_telroi_cards", 0) + 1
    request._telroi_cards = ordinal  # type: ignore[attr-defined]
    return ordinal
