"""The template tag ``{% phone_verify %}`` shows the card of a verification in any page.

``{% phone_proof %}`` adds the proof to a form of the page.
``user|phone_verified`` is true for a user with a verified phone.
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
from django_telroi.services.accounts.proofs import load_proof
from django_telroi.services.sentences import duration
from django_telroi.services.shared.arguments import stored_number
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections
from django_telroi.web import card_texts
from django_telroi.web.card_state import drop_in_step, settle_older_call
from django_telroi.web.cards import CardPlace, Heading, card_at, current_path
from django_telroi.web.notices import Notice
from django_telroi.web.session import pop_notice, read_flow
from django_telroi.web.text_language import text_language

register = template.Library()

TYPED = object()
"""The value of ``number`` in a tag without one. None is the value of an empty field of the site."""

register.filter("telroi_countdown", card_texts.countdown)
register.filter("telroi_duration", duration)
register.filter("telroi_number", card_texts.grouped_number)
register.simple_tag(text_language, name="telroi_words")


@register.inclusion_tag("telroi/phone_verify.html", takes_context=True)
def phone_verify(
    context: Context,
    next: object = "",  # noqa: A002 - the tag's own word
    purpose: str = "",
    heading: Heading = "h2",
    number: object = TYPED,
) -> dict[str, Any]:
    """Render the card: ``{% phone_verify next="/account/" purpose="signup" heading="h3" %}``.

    Do not put the tag inside a form. ``next``: the URL after success, on this site, also a lazy one. None is like no
    ``next``. ``purpose``: one of ``PURPOSES``.
    ``heading``: the HTML element of the title. ``number``: the number to call, such as ``user.phone``. Without
    ``number``, the card asks for a number. Raises ImproperlyConfigured if an argument is invalid or the context has no
    request.
    """
    request = _request_of(context)
    _require_purpose(purpose, tag="phone_verify")
    if heading not in get_args(Heading):
        raise ImproperlyConfigured('phone_verify: heading must be one of "h1" to "h6".')
    notice, attempt = _settle_and_pop(request, purpose)
    # The page may have several cards. The number makes their ids unique.
    ordinal = getattr(request, "_telroi_cards", 0) + 1
    request._telroi_cards = ordinal  # type: ignore[attr-defined]
    place = CardPlace(
        purpose=purpose,
        next="" if next is None else str(next),
        back=current_path(request),
        ordinal=ordinal,
        heading=heading,
        takes_focus=notice is not None
        and not notice.is_shown,  # after a form of the card; otherwise the page keeps its own focus
        stored=None if number is TYPED else stored_number(number),
    )
    step = drop_in_step(request, place, notice)
    card = card_at(place, request, shown_attempt=attempt, asked_digits=step.asked_digits)
    return {"request": request, "card": card, "step": step}


@register.inclusion_tag("telroi/assets.html", takes_context=True)
def telroi_assets(context: Context) -> dict[str, bool]:
    """Render the stylesheet and the script, once per page."""
    # Kept on the request, because two cards are two renderings with separate contexts.
    request = _request_of(context)
    is_first = not getattr(request, "_telroi_has_assets", False)
    request._telroi_has_assets = True  # type: ignore[attr-defined]
    return {"is_first": is_first}


@register.simple_tag(takes_context=True)
def phone_proof(context: Context, purpose: str = "", name: str = "phone_proof") -> str:
    """Return the visitor's proof as a hidden input, for a form with a ``ProofField``; ``""`` if there is no proof.

    Put ``{% phone_proof purpose="signup" name="phone_proof" %}`` inside the form. The tag is for visitors without an
    account. A user who is logged in needs no proof. ``purpose``: one of ``PURPOSES``, else ImproperlyConfigured is
    raised. ``name``: the name of the form field.
    """
    request = _request_of(context)
    if not conf.is_login(purpose):  # a number without an account can sign up with the code that was typed to log in
        _require_purpose(purpose, tag="phone_proof")
    proof = _proof(request, purpose)
    return format_html('<input type="hidden" name="{}" value="{}" data-telroi-proof>', name, proof) if proof else ""


@register.filter("phone_verified")
def is_phone_verified(user: Any, purpose: str | None = None) -> bool:
    """Return whether the user has a verified phone.

    ``{% if user|phone_verified %}``, or ``{% if user|phone_verified:"payout" %}`` for one purpose.
    """
    return _has_phone(user, purpose=purpose)


@register.simple_tag(name="phone_verified")
def is_phone_verified_lately(user: Any, purpose: str | None = None, max_age: timedelta | float | None = None) -> bool:
    """Return whether the user has a phone that was verified within ``max_age``, a timedelta or a number of seconds.

    ``{% phone_verified user purpose="payout" max_age=86400 as is_fresh %}``
    """
    age = timedelta(seconds=max_age) if isinstance(max_age, int | float) else max_age
    return _has_phone(user, purpose=purpose, max_age=age)


def _has_phone(user: Any, *, purpose: str | None, max_age: timedelta | None = None) -> bool:
    """Return False also for an anonymous user, for an undefined variable, and if the database is unavailable."""
    # The lazy ``request.user`` reads the database at its first attribute, so that is inside too.
    try:
        if not getattr(user, "is_authenticated", False):
            return False
        return known_phone_record(user).has_phone(purpose=purpose, max_age=max_age)
    except (Unavailable, *DATABASE_LOST):
        return False


def _settle_and_pop(request: HttpRequest, purpose: str) -> tuple[Notice | None, UUID | None]:
    """Return the notice, which it deletes from the session, and the attempt. Returns (None, None) without a database.

    It does not raise, because an error of the card must not break the page of the site.
    """
    try:
        with suppress(Unavailable):  # the card shows the problem
            settle_older_call(request, purpose)
        return pop_notice(request, purpose), read_flow(request, purpose).shown
    except DATABASE_LOST as error:
        close_lost_connections(error)
        return None, None


def _proof(request: HttpRequest, purpose: str) -> str | None:
    # Only the session that typed the right code gets the proof. The id of an attempt alone must not give it.
    try:
        flow = read_flow(request, purpose)
        proven = flow.attempt if flow.is_proven else None
        return load_proof(proven, user=getattr(request, "user", None)) if proven else None
    except DATABASE_LOST as error:
        close_lost_connections(error)
        return None


def _require_purpose(purpose: str, *, tag: str) -> None:
    # An exception and not an empty card, because it is a mistake in the template and must show in development.
    if purpose not in conf.purposes():
        raise ImproperlyConfigured(f'{tag}: the purpose "{purpose}" is not in TELROI["PURPOSES"].')


def _request_of(context: Context) -> HttpRequest:
    request = context.get("request")
    if not isinstance(request, HttpRequest):
        raise ImproperlyConfigured(
            "The template's context has no request, but the tags of telroi need it. Add "
            "'django.template.context_processors.request' to the context processors, and render with a request."
        )
    return request
