"""The timeline of an attempt, made from its columns and the events of the attempt and its number. It uses no query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_telroi.admin.shared.meanings import error_name
from django_telroi.domain.states import Dispatch, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.transitions import deadline_of
from django_telroi.services.attempts.typed_codes import is_undecided
from django_telroi.services.shared.call_outcome import ErrorCode

Words = str | Promise

ENDINGS: dict[Status, Words] = {
    Status.LOCKED: gettext_lazy("no more tries"),
    Status.FAILED: gettext_lazy("failed"),
    Status.EXPIRED: gettext_lazy("expired"),
    Status.CANCELED: gettext_lazy("canceled"),
    Status.SUPERSEDED: gettext_lazy("replaced by a newer call"),
}
TONES: dict[str, str] = {
    Status.VERIFIED: "good",
    Status.FAILED: "bad",
    Status.LOCKED: "bad",
    Status.EXPIRED: "wait",
    EventKind.CODE_REJECTED: "wait",
    EventKind.CODE_UNJUDGED: "wait",
    EventKind.NUMBER_BLOCKED: "bad",
}
UNKNOWN_OUTCOMES = (ErrorCode.CALL_FAILED, ErrorCode.NO_REPLY, ErrorCode.LEASE_ENDED)
"""Errors with which it is unknown whether the phone rang. No column has the time of such an error."""


@dataclass(frozen=True)
class Entry:
    """One entry of the timeline. ``attempt_id`` is another attempt that the entry mentions."""

    at: datetime
    title: Words
    after: timedelta
    who: str = ""
    where: str = ""
    quote: str = ""
    note: Words = ""
    tone: str = ""
    attempt_id: int | None = None


@dataclass(frozen=True)
class Neighbours:
    """The ids of the attempt that this one replaced, and of the attempt that replaced it."""

    before: int | None = None
    after: int | None = None


def timeline(
    attempt: VerificationAttempt,
    events: Iterable[AttemptEvent],
    *,
    requester: str = "",
    neighbours: Neighbours = Neighbours(),
) -> list[Entry]:
    """Return the entries, oldest first. ``requester`` is the name of the user; ``events`` may belong to the number."""
    entries = [
        *_beginning(attempt, requester=requester, neighbours=neighbours),
        *_from_events(attempt, events),
        *_end(attempt, requester=requester, neighbours=neighbours),
    ]
    return sorted(entries, key=lambda entry: entry.at)  # stable: entries of the same time stay in the order above


def _beginning(attempt: VerificationAttempt, *, requester: str, neighbours: Neighbours) -> Iterator[Entry]:
    yield _entry(
        attempt,
        attempt.created_at,
        _("requested"),
        who=requester,
        where=attempt.requester_ip or "",
        note=_("replaces an earlier call") if neighbours.before else "",
        attempt_id=neighbours.before,
    )
    if attempt.dispatch == Dispatch.CELERY:
        yield _entry(attempt, attempt.created_at, _("queued"))
    if attempt.dialed_at:
        yield _dialed(attempt, attempt.dialed_at)
    if attempt.placed_at:
        where = _MODES.get(attempt.livemode, "")
        yield _entry(
            attempt, attempt.placed_at, _("accepted by Telroi"), where=str(where), note=attempt.telroi_id or ""
        )


_MODES: dict[bool | None, Words] = {True: gettext_lazy("live"), False: gettext_lazy("test key")}


def _dialed(attempt: VerificationAttempt, at: datetime) -> Entry:
    if attempt.placed_at or attempt.error_code not in UNKNOWN_OUTCOMES:
        return _entry(attempt, at, _("dialing"))
    note = _("outcome unknown: %(error)s") % {"error": error_name(attempt.error_code)}
    return _entry(attempt, at, _("dialing"), quote=attempt.error_detail, note=note, tone="wait")


def _from_events(attempt: VerificationAttempt, events: Iterable[AttemptEvent]) -> Iterator[Entry]:
    wrong_codes = 0
    for event in sorted(events, key=lambda event: (event.at, event.pk or 0)):
        title: Words = event.get_kind_display()
        if event.kind == EventKind.CODE_REJECTED:
            wrong_codes += 1
            title = _wrong_code(min(wrong_codes, attempt.max_tries), attempt)
        tone, note = TONES.get(event.kind, ""), event.call_id or ""
        yield _entry(attempt, event.at, title, who=event.actor, quote=event.detail, note=note, tone=tone)


def _wrong_code(which: int, attempt: VerificationAttempt) -> str:
    return _("wrong code %(which)d/%(of)d") % {"which": which, "of": attempt.max_tries}


def _end(attempt: VerificationAttempt, *, requester: str, neighbours: Neighbours) -> Iterator[Entry]:
    if attempt.verified_at:
        yield _verified(attempt, attempt.verified_at, requester=requester)
    elif attempt.closed_at:
        yield from _closed(attempt, attempt.closed_at, neighbours=neighbours)
    if attempt.proof_spent_at and attempt.error_code != ErrorCode.NUMBER_TAKEN:
        yield _entry(attempt, attempt.proof_spent_at, _("proof spent"), tone="good")


def _verified(attempt: VerificationAttempt, at: datetime, *, requester: str) -> Entry:
    if attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return _entry(attempt, at, _("right code"), who=requester, note=error_name(attempt.error_code), tone="bad")
    return _entry(attempt, at, _("verified"), who=requester, tone=TONES[Status.VERIFIED])


def _closed(attempt: VerificationAttempt, at: datetime, *, neighbours: Neighbours) -> Iterator[Entry]:
    status = Status(attempt.status)
    explains = bool(attempt.error_code) and attempt.error_code not in UNKNOWN_OUTCOMES
    yield _entry(
        attempt,
        _ended_at(attempt, at),
        _ending(attempt, status),
        quote=attempt.error_detail if explains else "",
        note=error_name(attempt.error_code) if explains else "",
        tone=TONES.get(status, ""),
        attempt_id=neighbours.after if status == Status.SUPERSEDED else None,
    )


def _ended_at(attempt: VerificationAttempt, closed_at: datetime) -> datetime:
    """Return the time at which the attempt expired, which may be earlier than the time at which that was saved."""
    if attempt.status != Status.EXPIRED:
        return closed_at
    expired_at = deadline_of(attempt) if attempt.error_code == ErrorCode.DEADLINE else attempt.expires_at
    return min(closed_at, expired_at)


def _ending(attempt: VerificationAttempt, status: Status) -> Words:
    """Return the title of the last entry. The wrong code that locks has no event, so it is added here.

    If tries are left, Telroi locked the call.
    """
    if is_undecided(attempt):
        return _("closed")
    ending = ENDINGS.get(status, attempt.get_status_display())
    if status == Status.LOCKED and attempt.tries >= attempt.max_tries:
        return f"{_wrong_code(attempt.max_tries, attempt)}: {ending}"
    return ending


def _entry(
    attempt: VerificationAttempt,
    at: datetime,
    title: Words,
    *,
    who: str = "",
    where: str = "",
    quote: str = "",
    note: Words = "",
    tone: str = "",
    attempt_id: int | None = None,
) -> Entry:
    return Entry(at, title, at - attempt.created_at, who, where, quote, note, tone, attempt_id)


def distance(after: timedelta) -> str:
    """Return the time since the request: ``+0:31``, ``+1:02:03``, ``+3 d 4:00:00``."""
    seconds = int(after.total_seconds())
    sign, seconds = ("−", -seconds) if seconds < 0 else ("+", seconds)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours or days else f"{minutes}:{seconds:02d}"
    return f"{sign}{days} d {clock}" if days else f"{sign}{clock}"
