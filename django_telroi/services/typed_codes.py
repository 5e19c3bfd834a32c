"""A code that a person typed, as its attempt remembers it: by keyed digest, from before it is judged.

The digest is written in the UPDATE that reserves the try, so a lost answer (a killed worker, a cut connection) leaves a
trace: the same code, typed again, uses the try that it has, and Telroi's ``already_verified`` can be its answer. An
attempt keeps the digests only while a judgement may be missing; wrong codes leave with the next reservation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.utils.crypto import constant_time_compare, salted_hmac

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.transactions import repeat_on_lock_error
from django_telroi.services.waiting import LONGEST_WAIT

REPEAT_AFTER = timedelta(seconds=5)
"""The same code may be sent to Telroi again after so long, although no answer was written.

Shorter, and the second half of a double click would be a request more; longer, and a person whose last try was lost
waits for nothing.
"""

JUDGEMENTS = (EventKind.CODE_REJECTED, EventKind.CODE_UNJUDGED)


@dataclass(frozen=True)
class TypedCode:
    """One code that has a try of one attempt.

    ``try_id`` names the try. ``is_repeat``: the code had this try before, and the answer was lost.
    """

    attempt: VerificationAttempt
    digest: str = field(repr=False)
    try_id: int
    is_repeat: bool


def digest_of(attempt: VerificationAttempt, digits: str, *, secret: str | bytes | None = None) -> str:
    """The keyed digest of a code of this attempt, under ``SECRET_KEY`` or another secret."""
    return salted_hmac("django_telroi.code", f"{attempt.uuid} {digits}", secret=secret, algorithm="sha256").hexdigest()


def matches(attempt: VerificationAttempt, digits: str, digest: str) -> bool:
    """Whether ``digest`` is that of the code, under ``SECRET_KEY`` or one of ``SECRET_KEY_FALLBACKS``."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    found = [constant_time_compare(digest_of(attempt, digits, secret=secret), digest) for secret in secrets]
    return any(found)


def newest_rejected_try() -> Subquery:
    """For the SELECT that reads an attempt: the newest of its tries that was judged wrong."""
    rejected = AttemptEvent.objects.filter(attempt=OuterRef("pk"), kind=EventKind.CODE_REJECTED)
    return Subquery(rejected.values("attempt").annotate(newest=Max("try_id")).values("newest"))


def reserve_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> TypedCode | None:
    """Take a try for the code before it is judged; None where there is none, and the object then follows the row.

    One conditional UPDATE from the number of requests that was read: each try is given once.
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


def _known_digest(attempt: VerificationAttempt, digits: str) -> str:
    """The digest as the row has it, which may be under an older secret."""
    known = [digest for digest in attempt.judging if matches(attempt, digits, digest)]
    return known[0] if known else digest_of(attempt, digits)


def _reserve(typed: TypedCode, *, now: datetime, using: str) -> bool:
    attempt = typed.attempt
    judging = without_rejected(attempt.judging, {getattr(attempt, "newest_rejected", None)})
    tries = {*judging.get(typed.digest, ()), typed.try_id}
    fields: dict[str, object] = {
        "asked": attempt.asked + 1,
        "judging": {**judging, typed.digest: sorted(tries)},
        "judging_since": now,
    }
    rows = VerificationAttempt.objects.using(using).filter(
        pk=attempt.pk, status__in=CHECKABLE, expires_at__gt=now, asked=attempt.asked
    )
    if not typed.is_repeat:
        rows = rows.filter(tries__lt=F("max_tries"))
        fields["tries"] = F("tries") + 1
    if not repeat_on_lock_error(lambda: rows.update(**fields), using=using):
        return False
    for name, value in fields.items():
        setattr(attempt, name, attempt.tries + 1 if name == "tries" else value)
    return True


def _try_to_repeat(attempt: VerificationAttempt, digest: str, *, now: datetime, using: str) -> int | None:
    """The try that this code has already, where its answer was lost; None where it needs a new one."""
    if digest not in attempt.judging:
        return None
    kinds = judged_tries(attempt, using=using)
    missing: list[int] = [
        try_id for try_id in attempt.judging[digest] if EventKind.CODE_REJECTED not in kinds.get(try_id, ())
    ]
    is_late = attempt.judging_since is None or attempt.judging_since + REPEAT_AFTER <= now
    if missing and (is_late or all(try_id in kinds for try_id in missing)):
        return missing[0]
    return None


def judged_tries(attempt: VerificationAttempt, *, using: str) -> Mapping[int, Collection[str]]:
    """What is written of each try: that it was wrong, or that its answer was lost."""
    kinds: dict[int, set[str]] = {}
    for try_id, kind in judgements_of(attempt, using=using).values_list("try_id", "kind"):
        kinds.setdefault(try_id or 0, set()).add(kind)
    return kinds


def judgements_of(attempt: VerificationAttempt, *, using: str) -> QuerySet[AttemptEvent]:
    return AttemptEvent.objects.using(using).filter(attempt_id=attempt.pk, kind__in=JUDGEMENTS)


def without_rejected(judging: Mapping[str, Collection[int]], rejected: Collection[int | None]) -> dict[str, list[int]]:
    """The codes that may still be right, each with its tries."""
    left = {digest: [try_id for try_id in tries if try_id not in rejected] for digest, tries in judging.items()}
    return {digest: tries for digest, tries in left.items() if tries}


def codes_in_doubt(attempt: VerificationAttempt, *, using: str) -> dict[str, list[int]]:
    """The codes of this row whose judgement is not written, each with its tries. To be read from a fresh row."""
    kinds = judged_tries(attempt, using=using)
    rejected = [try_id for try_id, kind in kinds.items() if EventKind.CODE_REJECTED in kind]
    return without_rejected(attempt.judging, rejected)


def is_judgement_out(attempt: VerificationAttempt, *, now: datetime, using: str, but: int | None = None) -> bool:
    """Whether an answer to one of the tries, ``but`` apart, may still come: no exchange with Telroi lasts longer."""
    if attempt.judging_since is None or attempt.judging_since + conf.lease() + LONGEST_WAIT <= now:
        return False
    kinds = judged_tries(attempt, using=using)
    open_tries = {try_id for tries in attempt.judging.values() for try_id in tries} - {but}
    return any(try_id not in kinds for try_id in open_tries)


def give_try_back(typed: TypedCode, *, using: str) -> None:
    """The code was certainly not judged. A try whose answer was lost before stays used."""
    if typed.is_repeat:
        return
    attempt = typed.attempt
    while attempt.status in CHECKABLE and attempt.tries:
        fields = {
            "tries": attempt.tries - 1,
            "asked": attempt.asked + 1,
            "judging": without_rejected(attempt.judging, {typed.try_id}),
        }
        rows = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status__in=CHECKABLE, asked=attempt.asked)
        if repeat_on_lock_error(lambda rows=rows, fields=fields: rows.update(**fields), using=using):  # type: ignore[misc]
            for name, value in fields.items():
                setattr(attempt, name, value)
            return
        attempt.refresh_from_db(using=using)
