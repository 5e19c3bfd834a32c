"""The codes that were typed for an attempt, stored as keyed digests before they are judged.

The UPDATE that reserves the try also writes the digest, so a lost answer (a killed worker, a cut connection) leaves a
record. If the same code is typed again, it uses the same try, and Telroi's ``already_verified`` can be its answer. An
attempt keeps digests only while a judgement may be missing. The next reservation removes the digests of wrong codes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import F, Max, OuterRef, Subquery
from django.utils.crypto import constant_time_compare, salted_hmac

from django_telroi import conf
from django_telroi.domain.codes import LengthFit
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.shared.backend_calls import LONGEST_SLEEP
from django_telroi.services.shared.call_outcome import ErrorCode
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


def digest_of(attempt: VerificationAttempt, digits: str, *, secret: str | bytes | None = None) -> str:
    """Return the keyed digest of a code of this attempt. ``secret`` defaults to ``SECRET_KEY``."""
    return salted_hmac("django_telroi.code", f"{attempt.uuid} {digits}", secret=secret, algorithm="sha256").hexdigest()


def matches(attempt: VerificationAttempt, digits: str, digest: str) -> bool:
    """Return whether ``digest`` is that of the code under ``SECRET_KEY`` or one of ``SECRET_KEY_FALLBACKS``."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    found = [constant_time_compare(digest_of(attempt, digits, secret=secret), digest) for secret in secrets]
    return any(found)


def newest_rejected_try() -> Subquery:
    """Return a subquery for the SELECT of an attempt: the id of its newest try that was judged wrong."""
    rejected = AttemptEvent.objects.filter(attempt=OuterRef("pk"), kind=EventKind.CODE_REJECTED)
    return Subquery(rejected.values("attempt").annotate(newest=Max("try_id")).values("newest"))


def reserve_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> TypedCode | None:
    """Reserve a try for the code before it is judged. Returns None if none is left. The object is then up to date.

    It is one conditional UPDATE on the number of requests that was read, so each try is given once.
    """
    while attempt.status in CHECKABLE and now < attempt.expires_at:
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


def is_judgement_out(attempt: VerificationAttempt, *, now: datetime, using: str, but: int | None = None) -> bool:
    """Return whether the judgement of a try may still come. The try ``but`` is ignored.

    A request to Telroi takes at most a lease, after at most ``LONGEST_SLEEP`` of waiting for the key's rate limit.
    """
    since = {try_id: at for tries in _read_judging(attempt).values() for try_id, at in tries.items() if try_id != but}
    oldest = now - conf.lease() - LONGEST_SLEEP
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
    return stored[0] if stored else digest_of(attempt, digits)


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
    judging = _without_tries(_read_judging(attempt), {getattr(attempt, "newest_rejected", None)})
    judging[typed.digest] = judging.get(typed.digest, {}) | {typed.try_id: now}
    fields: dict[str, object] = {"asked": attempt.asked + 1, "judging": _as_json(judging)}
    if typed.is_repeat:
        return _update_if_unchanged(attempt, fields, using=using, expires_at__gt=now)
    fields["tries"] = attempt.tries + 1
    unused = {"tries": attempt.tries, "max_tries__gt": F("tries")}
    return _update_if_unchanged(attempt, fields, using=using, expires_at__gt=now, **unused)


def _update_if_unchanged(
    attempt: VerificationAttempt, fields: dict[str, object], *, using: str, **only_if: object
) -> bool:
    """Write ``fields`` if no other request changed the row meanwhile. The object gets the same values."""
    rows = VerificationAttempt.objects.using(using).filter(
        pk=attempt.pk, status__in=CHECKABLE, asked=attempt.asked, **only_if
    )
    if not repeat_on_lock_error(lambda: rows.update(**fields), using=using):
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


class CheckOutcome(StrEnum):
    """The outcome of a typed code. Mistakes of the person are outcomes, never exceptions."""

    VERIFIED = "verified"
    WRONG_CODE = "wrong_code"
    LOCKED = "locked"
    """Too many wrong codes: the person needs another call."""
    EXPIRED = "expired"
    CLOSED = "closed"
    """The attempt takes no codes any more: it failed, was canceled, was replaced by a newer call, or is undecided."""
    UNAVAILABLE = "unavailable"
    """The code could not be judged: the person can send the same code again."""
    INVALID_CODE = "invalid_code"
    """Not a code. It used no try."""
    NOT_READY = "not_ready"
    """The call is not placed yet."""
    IN_PROGRESS = "in_progress"
    """All tries are used, and a judgement is still pending."""
    ANSWER_LOST = "answer_lost"
    """The answer to an earlier code was lost, so that code may be right. This code was wrong, or was not judged."""
    ALREADY_VERIFIED = "already_verified"
    """Another code was right before. This code gives no success and no proof."""
    NUMBER_TAKEN = "number_taken"
    """The code was right, but the number belongs to another account, and the site allows one."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a code.

    ``tries_left``: how many more codes this call takes, 0 once it is over. ``attempt``: the row as it is now.
    ``proof``: set only if the outcome is ``verified`` and the attempt has no user.

    ``length_fit``: set if the outcome is ``invalid_code`` because the code has too many or too few digits.

    ``was_judged``: True if this request had the code judged. False if it did not: the input is no code, the attempt was
    over before, or it was verified before and the code was compared with the right one. So ``locked`` with
    ``was_judged`` is the wrong code that locked the attempt. ``verified`` without it is the right code sent again.
    """

    outcome: CheckOutcome
    tries_left: int
    attempt: VerificationAttempt
    was_judged: bool = False
    proof: str | None = field(default=None, repr=False)
    length_fit: LengthFit | None = None


OUTCOME_BY_STATUS = {
    Status.QUEUED: CheckOutcome.NOT_READY,
    Status.DIALING: CheckOutcome.NOT_READY,
    Status.PLACED: CheckOutcome.IN_PROGRESS,
    Status.UNKNOWN: CheckOutcome.IN_PROGRESS,
    Status.VERIFIED: CheckOutcome.VERIFIED,
    Status.LOCKED: CheckOutcome.LOCKED,
    Status.EXPIRED: CheckOutcome.EXPIRED,
    Status.FAILED: CheckOutcome.CLOSED,
    Status.CANCELED: CheckOutcome.CLOSED,
    Status.SUPERSEDED: CheckOutcome.CLOSED,
}


def is_undecided(attempt: VerificationAttempt) -> bool:
    """Return whether the attempt was closed because a code was right and it is unknown which one.

    Telroi says that a code was right before. Either the answers to two different codes were lost, or none was lost and
    another person had the right code checked.
    """
    return attempt.status == Status.LOCKED and attempt.error_code == ErrorCode.LOST


def was_uncheckable(attempt: VerificationAttempt) -> bool:
    """Return whether no code of this call could be checked, because its id is unknown and the backend needs one."""
    return attempt.status == Status.EXPIRED and attempt.error_code == ErrorCode.LOST and not attempt.telroi_id


def outcome_of(attempt: VerificationAttempt) -> CheckOutcome:
    """Return the outcome of a code that is not judged any more, by the status of its attempt.

    For a verified attempt it is the outcome of the right code. For other codes it is ``already_verified``.
    """
    if is_undecided(attempt):
        return CheckOutcome.CLOSED
    if attempt.status == Status.VERIFIED and attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return CheckOutcome.NUMBER_TAKEN
    return OUTCOME_BY_STATUS[Status(attempt.status)]
