"""Tries of codes that Telroi checks: each code is stored as a keyed digest before Telroi is asked.

Tries of codes that this site checks are used in ``services/codes/check.py``.

The UPDATE that reserves the try also writes the digest, so a lost answer (a killed worker, a cut connection) leaves a
record. If the same code is typed again, it uses the same try, and Telroi's ``already_verified`` can be its answer. An
attempt keeps digests only while a judgement may be missing. The next reservation removes the digests of wrong codes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.shared.backend_calls import MAX_SLEEP
from django_telroi.services.shared.number_state import NEWEST_REJECTED
from django_telroi.services.shared.secrets import digest_of, matches
from django_telroi.services.shared.statements import update_row
from django_telroi.services.shared.transactions import repeat_on_lock_error

REPEAT_AFTER = timedelta(seconds=5)
"""After this time the same code may be sent to Telroi again although no answer was written.

If it were shorter, the second half of a double click would send another request. If it were longer, a person whose last
answer was lost would wait for no reason.
"""

JUDGEMENTS = (EventKind.CODE_REJECTED, EventKind.CODE_UNJUDGED)


Tries = dict[int, datetime]
"""The tries of one code, each with the moment of its newest request to Telroi."""


@dataclass(frozen=True)
class TypedCode:
    """A code with a reserved try.

    ``try_id`` is the id of the try. ``is_repeat``: the code had this try before, and the answer was lost.
    """

    attempt: VerificationAttempt
    digest: str = field(repr=False)
    try_id: int
    is_repeat: bool


def reserve_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> TypedCode | None:
    """Reserve a try for the code before it is judged. Returns None if none is left. The object is then up to date.

    It is one conditional UPDATE on the value of ``asked`` that was read, so each try is given once. Also returns None
    if ``judge`` has changed meanwhile: the code must then be checked by the other judge.
    """
    judge = attempt.judge
    while attempt.judge == judge and attempt.status in CHECKABLE and now < attempt.expires_at:
        digest = _known_digest(attempt, digits)
        try_id = _try_to_repeat(attempt, digest, now=now, using=using)
        if try_id is None and attempt.tries >= attempt.max_tries:
            return None
        typed = TypedCode(attempt, digest, try_id or attempt.asked + 1, is_repeat=try_id is not None)
        if _reserve(typed, now=now, using=using):
            return typed
        attempt.refresh_from_db(using=using)
    return None


def codes_in_doubt(attempt: VerificationAttempt, *, using: str) -> dict[str, Tries]:
    """Return the codes that may be right although no judgement is written. The row must have just been read."""
    kinds = _kinds_by_try(attempt, using=using)
    rejected = {try_id for try_id, kind in kinds.items() if EventKind.CODE_REJECTED in kind}
    return _without_tries(_read_judging(attempt), rejected)


def is_in_doubt(attempt: VerificationAttempt, digits: str, *, using: str) -> bool:
    """Return whether this code has a try, and no judgement of it is written. The row must have just been read."""
    return bool(attempt.judging) and _known_digest(attempt, digits) in codes_in_doubt(attempt, using=using)


def is_judgement_out(attempt: VerificationAttempt, *, now: datetime, using: str, own_try: int | None = None) -> bool:
    """Return whether the judgement of a try may still come. ``own_try``, an id, is ignored.

    A request to Telroi takes at most a lease, after at most ``MAX_SLEEP`` of waiting for the key's rate limit.
    """
    since = {
        try_id: at for tries in _read_judging(attempt).values() for try_id, at in tries.items() if try_id != own_try
    }
    oldest = now - conf.lease() - MAX_SLEEP
    recent = {try_id for try_id, at in since.items() if at > oldest}
    return bool(recent) and bool(recent - _kinds_by_try(attempt, using=using).keys())


def give_try_back(typed: TypedCode, *, using: str) -> None:
    """Give back the try of a code that was certainly not judged. A repeated try stays used: an answer was lost."""
    if typed.is_repeat:
        return
    attempt = typed.attempt
    while attempt.status in CHECKABLE and attempt.tries:
        fields: dict[str, object] = {
            "tries": attempt.tries - 1,
            "asked": attempt.asked + 1,
            "judging": _as_json(_without_tries(_read_judging(attempt), {typed.try_id})),
        }
        if _update_if_unchanged(attempt, fields, using=using):
            return
        attempt.refresh_from_db(using=using)
        if not any(typed.try_id in tries for tries in _read_judging(attempt).values()):
            return  # it was given back already, before the connection to the database broke


def _known_digest(attempt: VerificationAttempt, digits: str) -> str:
    """Return the digest in the row, which may use an older secret, or else a new one."""
    stored = [digest for digest in attempt.judging if matches(attempt, digits, digest)]
    return stored[0] if stored else digest_of(attempt.uuid, attempt.number, digits)


def _try_to_repeat(attempt: VerificationAttempt, digest: str, *, now: datetime, using: str) -> int | None:
    """Return the id of the try that this code has if its answer was lost. None if the code needs a new try."""
    if digest not in attempt.judging:
        return None
    kinds = _kinds_by_try(attempt, using=using)
    tries = codes_in_doubt(attempt, using=using).get(digest, {})
    is_known_to_be_lost = all(try_id in kinds for try_id in tries)
    is_late = all(at + REPEAT_AFTER <= now for at in tries.values())
    return min(tries) if tries and (is_late or is_known_to_be_lost) else None


def _reserve(typed: TypedCode, *, now: datetime, using: str) -> bool:
    attempt = typed.attempt
    judging = _without_tries(_read_judging(attempt), {getattr(attempt, NEWEST_REJECTED, None)})
    judging[typed.digest] = judging.get(typed.digest, {}) | {typed.try_id: now}
    fields: dict[str, object] = {"asked": attempt.asked + 1, "judging": _as_json(judging)}
    if not typed.is_repeat:
        # `tries` is not compared here again. As long as an attempt takes codes, each change of `tries` also raises
        # `asked`, so `reserve_try` has compared the values that the UPDATE finds. If a second comparison here ever
        # disagreed with that one, the loop there would not end. The constraint `telroi_attempt_tries_within` is the
        # second guard: one try too many raises an IntegrityError.
        fields["tries"] = attempt.tries + 1
    return _update_if_unchanged(attempt, fields, using=using, expires_at__gt=now)


def _update_if_unchanged(
    attempt: VerificationAttempt, fields: dict[str, object], *, using: str, **only_if: object
) -> bool:
    """Write ``fields`` if no other request changed the row meanwhile. The object gets the same values."""
    where = {"pk": attempt.pk, "status__in": CHECKABLE, "asked": attempt.asked, "judge": attempt.judge, **only_if}
    write = partial(update_row, VerificationAttempt, where, fields, using=using)
    if not repeat_on_lock_error(write, using=using):
        return False
    for name, value in fields.items():
        setattr(attempt, name, value)
    return True


def _kinds_by_try(attempt: VerificationAttempt, *, using: str) -> dict[int, set[str]]:
    """Return what is written for each try: that the code was wrong, or that the answer was lost."""
    judgements = AttemptEvent.objects.using(using).filter(attempt_id=attempt.pk, kind__in=JUDGEMENTS)
    kinds: dict[int, set[str]] = {}
    for try_id, kind in judgements.values_list("try_id", "kind"):
        kinds.setdefault(try_id or 0, set()).add(kind)
    return kinds


def _read_judging(attempt: VerificationAttempt) -> dict[str, Tries]:
    return {
        digest: {int(try_id): datetime.fromisoformat(at) for try_id, at in tries.items()}
        for digest, tries in attempt.judging.items()
    }


def _as_json(judging: Mapping[str, Tries]) -> dict[str, dict[str, str]]:
    return {digest: {str(try_id): at.isoformat() for try_id, at in tries.items()} for digest, tries in judging.items()}


def _without_tries(judging: Mapping[str, Tries], rejected: Collection[int | None]) -> dict[str, Tries]:
    remaining = {
        digest: {try_id: at for try_id, at in tries.items() if try_id not in rejected}
        for digest, tries in judging.items()
    }
    return {digest: tries for digest, tries in remaining.items() if tries}
