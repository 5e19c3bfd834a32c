"""The four promises as checks of a state: its rows now, and its future without further faults."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django_telroi.domain.states import FINAL, Judge
from django_telroi.errors import AttemptNotFound
from django_telroi.models import VerifiedPhone
from django_telroi.services import CheckOutcome
from tests.model import judges, rows
from tests.model.ledger import Step
from tests.model.telroi import TRIES, Otp
from tests.model.trouble import secrets_in
from tests.model.world import PROOF_LASTS, World

MOMENT, LEASE, HANDED_ON, DEADLINE, EXPIRY = 6, 61, 20, 121, 301
"""Seconds after which a lost code may be sent again, and after which these are certainly over: a lease, the wait for
another message, the time in the queue, a code.
"""
QUEUE = timedelta(seconds=120)


def broken_in(world: World) -> Iterator[str]:
    """Return the promises that this state breaks. The state is restored afterwards."""
    kept = world.keep()
    before = list(world.broken)
    attempts = rows.attempts(kept[0])
    yield from _unproven(world, attempts, rows.of(VerifiedPhone, kept[0]))
    yield from judges.broken_in(world, attempts)
    for column, words in rows.words_in(kept[0]):
        if secrets_in(words):
            yield f"4: a secret in {column}"
    for attempt in attempts:
        yield from _right_code_lost(world, attempt, attempts)
        world.bring_back(kept)
        if _takes_codes_beside_newer(world, attempt, attempts):
            yield "3: a code is judged by one of two calls of a flow"
        world.bring_back(kept)
        if _has_only_refused_followers(world, attempt, attempts):
            yield from _never_called_again(world, attempt)
            world.bring_back(kept)
    yield from _silently_lost(world, kept)
    world.bring_back(kept)
    world.broken = before


def _unproven(world: World, attempts: list[dict[str, Any]], records: list[dict[str, Any]]) -> Iterator[str]:
    """Check promise 3 in the rows."""
    right = {uuid for uuid, codes in world.ledger.right.items() if codes}
    for attempt in attempts:
        if attempt["status"] == "verified" and attempt["uuid"] not in right:
            yield "3: an attempt is verified without a right code"
    if records and not any(world._user_of(uuid) for uuid in right):
        yield "3: an account has a number without a right code"
    if len(records) > 1:
        yield "3: two records of one number"


def _right_code_lost(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> Iterator[str]:
    """Promise 2: the code of a call verifies, unless the tries are used or the code has expired."""
    otp = judges.otp_of(world.ledger, attempt["uuid"])
    if otp is None or not _is_owed(world, attempt, attempts, otp):
        return
    place = world.ledger.attempts.index(attempt["uuid"])
    if attempt["status"] == "dialing":
        world.do(Step("wait", what=LEASE))
    # "Try again in a moment", or when no answer can arrive any more. The site judges its own code at once.
    is_at_once = judges.judge_of(world.ledger, attempt["uuid"]) == Judge.SITE
    for wait in (0,) if is_at_once else (0, MOMENT, LEASE):
        world.do(Step("wait", what=wait))
        result = world.do(Step("check", place, otp.code))
        if result is not None and result.outcome == CheckOutcome.VERIFIED:
            if (
                world._user_of(attempt["uuid"]) is None
                and not result.proof
                and attempt["uuid"] not in world.ledger.spent
            ):
                yield "2: the right code is verified and gives no proof"
            return
    word = "was judged and lost" if otp.verified else "cannot be given any more"
    yield f"2: the right code {word}: {attempt['status']}, {result.outcome if result else 'refused'}"


def _takes_codes_beside_newer(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
    """Return whether this call still accepts codes although a newer one of its flow rings or may ring."""
    followers = _followers(world, attempt, attempts)
    newer_takes_codes = any(other["status"] in ("placed", "unknown") for other in followers)
    if not newer_takes_codes or attempt["status"] not in ("placed", "unknown"):
        return False
    world.look_at(attempt["uuid"])
    now = next(row for row in rows.attempts(rows.read()) if row["uuid"] == attempt["uuid"])
    return now["status"] in ("placed", "unknown")


def _has_only_refused_followers(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
    """Return whether this call accepts codes, and no "call again" on it has placed a call."""
    followers = list(_followers(world, attempt, attempts))
    return (
        attempt["status"] in ("placed", "unknown")
        and bool(followers)
        and all(other["status"] == "failed" and other["uuid"] not in world.ledger.requests for other in followers)
    )


def _never_called_again(world: World, attempt: dict[str, Any]) -> Iterator[str]:
    """Promise 2: "call again" after a refused call places one."""
    before = len(world.ledger.attempts)
    world.do(Step("wait", what=LEASE))
    world.do(Step("again", world.ledger.attempts.index(attempt["uuid"])))
    if len(world.ledger.attempts) == before:
        yield "2: call again returns a refused call for ever"


def _is_owed(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]], otp: Otp) -> bool:
    """Return whether the right code must verify this attempt now."""
    uuid, now, ledger = attempt["uuid"], world.clock.now, world.ledger
    if attempt["status"] == "verified":
        is_right = ledger.right.get(uuid) == {otp.code}  # a lost call may have two right codes: the first one counts
        has_try = attempt["tries"] < attempt["max_tries"]
        return is_right and has_try and rows.moment(attempt["verified_at"]) + PROOF_LASTS > now
    needs = MOMENT + LEASE + (LEASE if attempt["status"] == "dialing" else 0)
    is_over = (min(rows.moment(attempt["expires_at"]), otp.expires_at) - now).total_seconds() <= needs
    if is_over or not otp.rang or uuid in ledger.given_up:
        return False
    followers = list(_followers(world, attempt, attempts))
    if any(_has_replaced(world, other) or other["uuid"] in ledger.given_up for other in followers):
        return False
    if any(other["status"] == "verified" for other in _followed(world, attempt, attempts)):
        return False  # another attempt of its flow is verified
    if otp.is_own:
        return _is_owed_here(world, attempt, followers, otp)
    return _is_owed_by_telroi(world, attempt, attempts, otp)


def _is_owed_here(world: World, attempt: dict[str, Any], followers: list[dict[str, Any]], otp: Otp) -> bool:
    """Return whether the site's own code has a try: a free one, or one whose judgement was lost."""
    ledger = world.ledger
    if attempt["status"] == "dialing" and any(other["uuid"] in ledger.requests for other in followers):
        return False  # a code is taken after the lease, and the newer call may ring by then
    has_own_try = attempt["status"] != "locked" and otp.code in ledger.lost.get(attempt["uuid"], ())
    return attempt["tries"] < attempt["max_tries"] or has_own_try


def _is_owed_by_telroi(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]], otp: Otp) -> bool:
    uuid, ledger = attempt["uuid"], world.ledger
    if not attempt["telroi_id"] and not _is_known_by_number(world, attempt, attempts, otp):
        return False
    lost = ledger.lost.get(uuid, set())
    if len(lost) > 1:
        return False  # two codes in doubt: Telroi's answer may be about either
    if otp.verified:
        return otp.code in ledger.right.get(uuid, ())
    return otp.tries < TRIES and (attempt["tries"] < attempt["max_tries"] or lost == {otp.code})


def _is_known_by_number(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]], otp: Otp) -> bool:
    """Return whether Telroi's answer to a code without an id can only be about this call.

    "Already verified" can be about any call. Other answers are about the newest call. A code of this call must not use
    the tries of an open call of another flow.
    """
    followers = {other["uuid"] for other in _followers(world, attempt, attempts)}
    flow = {other["uuid"] for other in _followed(world, attempt, attempts)} | followers | {attempt["uuid"]}
    others = [other for other in attempts if other["phone_id"] == attempt["phone_id"] and other is not attempt]
    is_newer = any((other["dialed_at"] or "") > (attempt["dialed_at"] or "") for other in others)
    takes_codes = ("placed", "unknown")
    is_beside = any(
        other["uuid"] not in flow and other["telroi_id"] and other["status"] in takes_codes for other in others
    )
    return not (otp.verified or is_newer or is_beside)


def _followers(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the attempts created by "call again" on this one, and on those, recursively."""
    for other in attempts:
        if other["uuid"] in world.ledger.followed_by.get(attempt["uuid"], ()):
            yield other
            yield from _followers(world, other, attempts)


def _followed(world: World, attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the attempts that this one was created from by "call again", recursively."""
    for other in attempts:
        if any(each["uuid"] == attempt["uuid"] for each in _followers(world, other, attempts)):
            yield other


def _has_replaced(world: World, other: dict[str, Any]) -> bool:
    """Return whether the newer call rang or may ring."""
    is_under_way = other["status"] in ("queued", "dialing") and rows.moment(other["due_at"]) > world.clock.now
    return not is_under_way and other["uuid"] in world.ledger.requests


def _silently_lost(world: World, kept: Any) -> Iterator[str]:
    """Promise 2: with only time and sweeps, every request reaches a final state that the person sees."""
    attempts = rows.attempts(kept[0])
    ways = tuple(_way_of(row, now=world.clock.now) for row in attempts if row["due_at"])
    if ways not in world.ends:
        world.ends[ways] = tuple(_not_handed_on(world, attempts, kept)) + tuple(_without_end(world, attempts))
    yield from world.ends[ways]


def _way_of(row: dict[str, Any], *, now: datetime) -> tuple[object, ...]:
    """Return all fields that time and sweeps depend on. Attempts with equal fields reach the same final state."""
    moments = [
        row[name] and (rows.moment(row[name]) - now).total_seconds() for name in ("created_at", "due_at", "expires_at")
    ]
    return (row["phone_id"], row["status"], row["dispatch"], row["telroi_id"] is None, *moments)


def _not_handed_on(world: World, attempts: list[dict[str, Any]], kept: Any) -> Iterator[str]:
    queued = [row for row in attempts if row["status"] == "queued"]
    if queued:
        world.do(Step("wait", what=HANDED_ON))
        world.do(Step("sweep"))
        in_time = {row["id"] for row in queued if rows.moment(row["created_at"]) + QUEUE > world.clock.now}
        if not in_time <= set(world.published) | _not_due(world):
            yield "2: a queued call is not handed on again"
        world.bring_back(kept)


def _not_due(world: World) -> set[int]:
    """Return the calls whose number may not be called yet."""
    now = world.clock.now
    return {row["id"] for row in rows.attempts(rows.read()) if row["due_at"] and rows.moment(row["due_at"]) > now}


def _without_end(world: World, attempts: list[dict[str, Any]]) -> Iterator[str]:
    for seconds in (DEADLINE, LEASE, EXPIRY, EXPIRY):
        world.do(Step("wait", what=seconds))
        world.do(Step("sweep"))
    for row in rows.attempts(rows.read()):
        if row["status"] not in FINAL:
            yield f"2: an attempt stays {row['status']} for ever"
        if row["code_digest"] or row["judging"] not in ("{}", ""):
            yield f"4: a digest of a code stays on an attempt that is {row['status']}"
        try:
            world.look_at(row["uuid"])
        except AttemptNotFound:
            yield "2: an attempt cannot be looked at"
