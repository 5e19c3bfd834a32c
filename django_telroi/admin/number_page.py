"""What a number's page shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language_bidi

from django_telroi import conf
from django_telroi.admin.chips import bar, moment_words, region_mark
from django_telroi.admin.marks import status_chip
from django_telroi.admin.standing import standing_of
from django_telroi.admin.strip import slots, strip, strip_labels
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.names import plain, user_name
from django_telroi.services.overdue import show_as_it_stands

MOST_ROWS = 50


@dataclass(frozen=True)
class AttemptRow:
    """One attempt below a number."""

    attempt: VerificationAttempt
    url: str
    chip: str
    user: str
    purpose: str


def facts_of(phone: PhoneNumber, *, request: HttpRequest, site: AdminSite, now: datetime) -> dict[str, Any]:
    """The number, its state with the moments that count, who did what, and its newest attempts."""
    standing = standing_of(phone, policy=conf.policy(), now=now)
    rows = phone.attempts.select_related("user").order_by("-created_at")
    verified = VerifiedPhone.objects.filter(number=phone.number).select_related("user").order_by("-verified_at")
    shows_attempts = _may_see(VerificationAttempt, request, site)
    shows_verified = _may_see(VerifiedPhone, request, site)
    return {
        "phone": phone,
        # Left to right in every language; a mark-up would be read out in the page's title.
        "subtitle": f"\N{LEFT-TO-RIGHT ISOLATE}{phone}\N{POP DIRECTIONAL ISOLATE}"
        if get_language_bidi()
        else str(phone),
        "region_shown": region_mark(phone.region),
        "standing": standing,
        "until_words": moment_words(standing.until, now=now) if standing.until else "",
        "hour_bar": bar(standing.used_of_hour, standing.policy.per_hour),
        "day_bar": bar(standing.used_of_day, standing.policy.per_day),
        "strip": strip(phone.moments, now=now),
        "strip_labels": strip_labels(now),
        "slots": slots(phone.moments, now=now),
        "is_held": phone.held_until is not None and phone.held_until > now,
        "held_reason": plain(phone.held_reason),
        "blocked_reason": plain(phone.blocked_reason),
        "events": [_event(event) for event in phone.events.order_by("-id")[:MOST_ROWS]],
        "shows_attempts": shows_attempts,
        "attempts": [_row(attempt, site, now=now) for attempt in rows[:MOST_ROWS]] if shows_attempts else [],
        "attempts_url": _attempts_url(phone, site) if shows_attempts else "",
        "verified_phones": [_verified(row, site) for row in verified[:MOST_ROWS]] if shows_verified else [],
    }


def _attempts_url(phone: PhoneNumber, site: AdminSite) -> str:
    return f"{_url(site, 'verificationattempt_changelist')}?phone__id__exact={phone.pk}"


def _row(attempt: VerificationAttempt, site: AdminSite, *, now: datetime) -> AttemptRow:
    show_as_it_stands(attempt, now=now)
    return AttemptRow(
        attempt=attempt,
        url=_url(site, "verificationattempt_change", attempt.pk),
        chip=status_chip(attempt),
        user=user_name(attempt.user, number=attempt.number),
        purpose=plain(attempt.purpose),
    )


def _event(event: AttemptEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "kind": event.get_kind_display(),
        "actor": plain(event.actor),
        "detail": plain(event.detail),
    }


def _verified(row: VerifiedPhone, site: AdminSite) -> dict[str, Any]:
    return {
        "url": _url(site, "verifiedphone_change", row.pk),
        "user": user_name(row.user, number=row.number),
        "purpose": plain(row.purpose),
        "at": row.verified_at,
    }


def _may_see(model: type[Model], request: HttpRequest, site: AdminSite) -> bool:
    """Whether this site has a list of these rows, and this person may see it."""
    return site.is_registered(model) and site._registry[model].has_view_permission(request)


def _url(site: AdminSite, page: str, *arguments: object) -> str:
    return reverse(f"admin:django_telroi_{page}", args=arguments, current_app=site.name)
