"""The timeline of an attempt, made from its columns and the events of the attempt and its number. It uses no query.

Events have only what the columns cannot show, so both are needed. See "States of an attempt" in
docs/explanation/how.rst.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from django_telroi.admin.shared.meanings import error_name
from django_telroi.domain.states import BY_WORKER, Status
from django_telroi.models import AttemptEvent, EventKind, SupportNote, VerificationAttempt
from django_telroi.services.attempts.status import was_closed_by_lost_answers
from django_telroi.services.attempts.transitions import deadline_of
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.services.shared.reviewers import is_of_reviewer

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
    EventKind.OWNER_BLOCKED: "bad",
    EventKind.REVIEWER_NUMBER: "wait",
    EventKind.REVIEWER_LOGIN: "wait",
}
# None of Telroi's names may be read as "the person answered": it does not know that.
WEBHOOKS: dict[str, Words] = {
    "otp.completed": pgettext_lazy("webhook", "the provider reports: the call was handed to the carrier"),
    "otp.failed": pgettext_lazy("webhook", "the provider reports: the call could not be placed"),
    "otp.verified": pgettext_lazy("webhook", "the provider reports: a code was checked"),
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
    notes: Iterable[SupportNote] = (),
    requester: str = "",
    neighbours: Neighbours = Neighbours(),
) -> list[Entry]:
    """Return the entries, oldest first.

    ``requester`` is the name of the user. ``events`` and ``notes`` may belong to the number.
    """
    entries = [
        # For equal times this order counts, because the sort is stable: the request, what happened, the end.
        *_beginning(attempt, requester=requester, neighbours=neighbours),
        *_from_events(attempt, events),
        *_end(attempt, requester=requester, neighbours=neighbours),
        *(_note(attempt, note) for note in notes),
    ]
    return sorted(entries, key=lambda entry: entry.at)


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
    if attempt.dispatch in BY_WORKER:
        yield _entry(attempt, attempt.created_at, _("queued"))
    if attempt.dialed_at:
        yield _dialing_entry(attempt, attempt.dialed_at)
    if attempt.placed_at:
        yield _placed_entry(attempt, attempt.placed_at)


def _placed_entry(attempt: VerificationAttempt, at: datetime) -> Entry:
    if is_of_reviewer(attempt):
        return _entry(attempt, at, pgettext("timeline", "not called, the code is fixed"))
    where = _MODES.get(attempt.livemode, "")
    return _entry(attempt, at, _("accepted by the provider"), where=str(where), note=attempt.telroi_id or "")


_MODES: dict[bool | None, Words] = {True: gettext_lazy("live"), False: gettext_lazy("test key")}


def _dialing_entry(attempt: VerificationAttempt, at: datetime) -> Entry:
    # A call whose outcome was unknown has no column for the moment of the error, so its entry "dialing" says it.
    if attempt.placed_at or attempt.error_code not in UNKNOWN_OUTCOMES:
        return _entry(attempt, at, _("dialing"))
    note = _("outcome unknown: %(error)s") % {"error": error_name(attempt.error_code)}
    return _entry(attempt, at, _("dialing"), quote=attempt.error_detail, note=note, tone="wait")


def _from_events(attempt: VerificationAttempt, events: Iterable[AttemptEvent]) -> Iterator[Entry]:
    # Counted here, because an event does not store which try it was.
    wrong_codes = 0
    for event in sorted(events, key=lambda event: (event.at, event.pk or 0)):
        title: Words = event.get_kind_display()
        quote = event.detail
        if event.kind == EventKind.WEBHOOK:
            title, quote = _webhook(event.detail)
        if event.kind == EventKind.CODE_REJECTED:
            wrong_codes += 1
            title = _wrong_code(min(wrong_codes, attempt.max_tries), attempt)
        tone, note = TONES.get(event.kind, ""), event.call_id or ""
        yield _entry(attempt, event.at, title, who=event.actor, quote=quote, note=note, tone=tone)


def _note(attempt: VerificationAttempt, note: SupportNote) -> Entry:
    return _entry(attempt, note.created_at, pgettext("timeline", "note"), who=note.author, quote=note.text)


def _webhook(detail: str) -> tuple[Words, str]:
    """Return a webhook's title in plain words, and the rest of its detail. An unknown event keeps its name."""
    name, _, rest = detail.partition(": ")
    title = WEBHOOKS.get(name)
    return (title, rest) if title else (EventKind.WEBHOOK.label, detail)


def _wrong_code(which: int, attempt: VerificationAttempt) -> str:
    return _("wrong code %(which)d/%(of)d") % {"which": which, "of": attempt.max_tries}


def _end(attempt: VerificationAttempt, *, requester: str, neighbours: Neighbours) -> Iterator[Entry]:
    if attempt.verified_at:
        yield _verified_entry(attempt, attempt.verified_at, requester=requester)
    elif attempt.closed_at:
        yield from _closing_entries(attempt, attempt.closed_at, neighbours=neighbours)
    # For a taken number the proof is marked as spent when the code is judged. It was not redeemed.
    if attempt.proof_spent_at and attempt.error_code != ErrorCode.NUMBER_TAKEN:
        yield _entry(attempt, attempt.proof_spent_at, _("proof used"), tone="good")


def _verified_entry(attempt: VerificationAttempt, at: datetime, *, requester: str) -> Entry:
    if attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return _entry(attempt, at, _("right code"), who=requester, note=error_name(attempt.error_code), tone="bad")
    return _entry(attempt, at, _("verified"), who=requester, tone=TONES[Status.VERIFIED])


def _closing_entries(attempt: VerificationAttempt, at: datetime, *, neighbours: Neighbours) -> Iterator[Entry]:
    status = Status(attempt.status)
    # An earlier error with an unknown outcome is in the entry "dialing" already. It did not end the attempt.
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

    If tries are left, the provider locked the call.
    """
    if was_closed_by_lost_answers(attempt):
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
    # Negative if the clock of the database was set back between two events.
    seconds = int(after.total_seconds())
    sign, seconds = ("−", -seconds) if seconds < 0 else ("+", seconds)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours or days else f"{minutes}:{seconds:02d}"
    return f"{sign}{days} d {clock}" if days else f"{sign}{clock}"
