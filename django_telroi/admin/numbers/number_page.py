"""The page of one number. Its first line says whether the phone rang, and when the next call is possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import pgettext

from django_telroi import conf
from django_telroi.admin.numbers.next_call import next_call_sentence, status_now, verified_moments, verified_sentence
from django_telroi.admin.numbers.number_status import (
    NumberStatus,
    strip,
    strip_labels,
    strip_marks,
)
from django_telroi.admin.shared.chips import (
    bar,
    left_to_right,
    moment_in_sentence,
    moment_words,
    region_name,
    time_mark,
)
from django_telroi.admin.shared.marks import status_chip
from django_telroi.admin.shared.registered import may_view
from django_telroi.admin.shared.ring import ring_words
from django_telroi.domain.number_limits import limit_at
from django_telroi.models import (
    AttemptEvent,
    PhoneNumber,
    SupportNote,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.services.attempts.transitions import apply_overdue_unsaved
from django_telroi.services.requester import plain, user_name

MAX_ROWS = 50


@dataclass(frozen=True)
class AttemptRow:
    """A row of the table of attempts on a number's page. ``ring`` answers whether the phone rang."""

    attempt: VerificationAttempt
    url: str
    requested: str
    chip: str
    ring: str
    user: str
    purpose: str


def facts_of(phone: PhoneNumber, *, request: HttpRequest, site: AdminSite, now: datetime) -> dict[str, Any]:
    """Return the template context: the answer, the number's newest attempts, its status, its events and accounts."""
    # A user who may view numbers may still lack the right to view attempts or verified phones, which name users.
    status = status_now(phone, request=request, now=now)
    shows_attempts = may_view(VerificationAttempt, request, site)
    attempts = _attempts(phone, site, now=now) if shows_attempts else []
    is_held = phone.held_until is not None and phone.held_until > now
    return {
        "phone": phone,
        # Markup is not possible, because the page's title shows it too.
        "subtitle": left_to_right(str(phone)),
        "country": region_name(phone.region),
        "number_status": status,
        "answer": " ".join(_answer(phone, attempts, status)),
        "shows_attempts": shows_attempts,
        "attempts": attempts,
        # By the id, because a number in a URL is logged.
        "attempts_url": f"{_url(site, 'verificationattempt_changelist')}?phone__id__exact={phone.pk}"
        if shows_attempts
        else "",
        "of_strangers": _words_of_strangers(),
        "hour_bar": bar(status.used_of_hour, status.policy.per_hour),
        "day_bar": bar(status.used_of_day, status.policy.per_day),
        "strip": strip(phone.moments, now=now),
        "strip_labels": strip_labels(now),
        "slots": [
            (time_mark(mark.at, now=now), time_mark(mark.leaves_hour, now=now), time_mark(mark.leaves_day, now=now))
            for mark in strip_marks(phone.moments, now=now)
        ],
        "first_seen": time_mark(phone.created_at, now=now),
        "is_held": is_held,
        "held_until": moment_words(phone.held_until, now=now) if phone.held_until else "",
        "held_reason": plain(phone.held_reason),
        "blocked_at": moment_words(phone.blocked_at, now=now) if phone.blocked_at else "",
        "blocked_reason": plain(phone.blocked_reason),
        "last_wrong_code": moment_words(phone.last_wrong_code_at, now=now) if phone.last_wrong_code_at else "",
        "events": _events(phone, site, now=now, has_links=shows_attempts),
        "verified_phones": _verified_phones(phone, site, now=now) if may_view(VerifiedPhone, request, site) else [],
    }


def _answer(phone: PhoneNumber, attempts: list[AttemptRow], status: NumberStatus) -> Iterator[str]:
    """Yield the sentences of the first line: the last call and what became of it, then the next call."""
    newest = attempts[0].attempt if attempts else None
    # A purge deletes attempts, but the row keeps the time of the last call. Then its outcome is not known any more.
    if newest and (phone.last_call_at is None or newest.counted_at >= phone.last_call_at):
        words = pgettext("number page", "Last call %(when)s, %(ring)s.")
        yield words % {"when": moment_in_sentence(newest.counted_at, now=status.now), "ring": attempts[0].ring}
    elif phone.last_call_at:
        words = pgettext("number page", "Last call %(when)s.")
        yield words % {"when": moment_in_sentence(phone.last_call_at, now=status.now)}
    elif verified := verified_moments([phone.number]):
        yield verified_sentence(verified[phone.number], now=status.now)
    else:
        yield pgettext("number page", "This number was never called.")
    yield next_call_sentence(status)
    if conf.reserves_calls():
        policy = conf.policy(is_known=False)
        limit = limit_at(policy, phone.moments, now=status.now, held_until=None)
        if limit and status.is_free:
            words = pgettext("number page", "Until %(when)s only for people who are known with this number.")
            yield words % {"when": moment_in_sentence(limit.until, now=status.now)}


def _words_of_strangers() -> str:
    """Return how many calls strangers may use, "" if no calls are reserved."""
    if not conf.reserves_calls():
        return ""
    policy = conf.policy(is_known=False)
    words = pgettext(
        "number page",
        "People who are not known with this number may use %(hour)d of the hour and %(day)d of the day.",
    )
    return words % {"hour": policy.per_hour, "day": policy.per_day}


def _attempts(phone: PhoneNumber, site: AdminSite, *, now: datetime) -> list[AttemptRow]:
    rows = phone.attempts.select_related("user").order_by("-created_at")[:MAX_ROWS]
    return [_row(attempt, phone, site, now=now) for attempt in rows]


def _row(attempt: VerificationAttempt, phone: PhoneNumber, site: AdminSite, *, now: datetime) -> AttemptRow:
    apply_overdue_unsaved(attempt, now=now)
    return AttemptRow(
        attempt=attempt,
        url=_url(site, "verificationattempt_change", attempt.pk),
        requested=moment_words(attempt.created_at, now=now),
        chip=status_chip(attempt),
        ring=ring_words(attempt),
        user=" · ".join(filter(None, (user_name(attempt.user, number=phone.number), _words_of_requester(attempt)))),
        purpose=plain(attempt.purpose),
    )


def _words_of_requester(attempt: VerificationAttempt) -> str:
    """Return whether the requester was known with the number, "" if no calls were reserved then."""
    if attempt.known_requester is None:
        return ""
    return (
        pgettext("requester of a call", "known with this number")
        if attempt.known_requester
        else pgettext("requester of a call", "stranger")
    )


def _events(phone: PhoneNumber, site: AdminSite, *, now: datetime, has_links: bool) -> list[dict[str, Any]]:
    """Return the staff actions on the number and the notes on it and its attempts, newest first."""
    actions = [(event.at, _action(event)) for event in phone.events.order_by("-id")[:MAX_ROWS]]
    newest_notes = phone.notes.order_by("-created_at")[:MAX_ROWS]
    notes = [(note.created_at, _note(note, site, has_links=has_links)) for note in newest_notes]
    newest_first = sorted([*actions, *notes], key=lambda row: row[0], reverse=True)
    return [{"at": time_mark(at, now=now), **row} for at, row in newest_first[:MAX_ROWS]]


def _action(event: AttemptEvent) -> dict[str, Any]:
    return {"kind": event.get_kind_display(), "actor": plain(event.actor), "detail": plain(event.detail)}


def _note(note: SupportNote, site: AdminSite, *, has_links: bool) -> dict[str, Any]:
    """``has_links``: the user may view attempts."""
    linked = note.attempt_id if has_links else None
    return {
        "kind": pgettext("number page", "note"),
        "actor": plain(note.author),
        "detail": plain(note.text),
        "attempt_id": linked,
        "attempt_url": _url(site, "verificationattempt_change", linked) if linked else "",
    }


def _verified_phones(phone: PhoneNumber, site: AdminSite, *, now: datetime) -> list[dict[str, Any]]:
    rows = VerifiedPhone.objects.filter(number=phone.number).select_related("user").order_by("-verified_at")
    return [
        {
            "url": _url(site, "verifiedphone_change", row.pk),
            "user": user_name(row.user, number=row.number),
            "purpose": plain(row.purpose),
            "at": time_mark(row.verified_at, now=now),
        }
        for row in rows[:MAX_ROWS]
    ]


def _url(site: AdminSite, page: str, *arguments: object) -> str:
    return reverse(f"admin:django_telroi_{page}", args=arguments, current_app=site.name)
