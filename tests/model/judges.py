"""Who checks the codes of a call: the site, Telroi, or not known yet. These are facts of the ledger, not of the rows.

A call whose request carried a code of the site is undecided until the site is told who made the code: by the answer to
the call, or by an event with ``client_supplied``. While it is undecided, the site's code is right, and Telroi decides
about other codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django_telroi.domain.states import CHECKABLE, FINAL, Judge
from django_telroi.services import CheckOutcome
from tests.model import rows
from tests.model.ledger import Frame, Ledger
from tests.model.telroi import CODE_REFUSED, CODES, CONFIRMS, LOSES, REFUSED, TEST_KEY, UNSENT, Otp

if TYPE_CHECKING:
    from tests.model.world import World

UNJUDGED = LOSES | {UNSENT, REFUSED}
"""Modes that leave a code without a judgement. While it is undecided who judges, no try is given back."""


def otp_of(ledger: Ledger, attempt: str) -> Otp | None:
    """Return the call that Telroi stored for the attempt."""
    return next((otp for otp in ledger.telroi.otps if otp.attempt == attempt), None)


def judge_of(ledger: Ledger, attempt: str) -> Judge:
    """Return who judges the codes, as far as the site was told."""
    if attempt not in ledger.made:
        return Judge.TELROI
    if attempt not in ledger.confirmed:
        return Judge.UNDECIDED
    otp = otp_of(ledger, attempt)
    return Judge.SITE if otp is not None and otp.is_own else Judge.TELROI


def code_for(world: World, length: int) -> str:
    """Return the code that the site makes for the call of this step. The attempts of a number have different ones."""
    assert length == len(CODES[0])
    number = world.number_of_step()
    return CODES[sum(other == number for other in world.ledger.number_of.values()) % len(CODES)]


# --- what a request tells ---------------------------------------------------------------------------------------------


def note_request(world: World, frame: Frame, code: str | None) -> None:
    """Record the code of a request for a call. ``frame.target`` is its attempt."""
    ledger, attempt = world.ledger, str(frame.target)
    is_again = frame.has_asked  # the second request of a step: after UNSENT, or without the code that was refused
    if code is None and not is_again:
        may_lack_code = world.maker == "telroi" or ledger.has_refused
        world.expect(may_lack_code, "3: a call without a code of the site")
        ledger.made.pop(attempt, None)
    if code is not None:
        world.expect(world.maker == "site", "3: a call with a code of the site although Telroi makes the codes")
        ledger.made[attempt] = code
        ledger.has_refused |= frame.step.mode == CODE_REFUSED
    if frame.step.mode == TEST_KEY:
        ledger.test_calls.add(attempt)


def note_answer(world: World, frame: Frame) -> None:
    """Record at the end of a step that its answer has told the site who made the code."""
    step = frame.step
    if step.name != "check" and frame.has_asked and frame.target and step.mode in CONFIRMS and not step.is_stopped:
        world.ledger.confirmed.add(frame.target)


def note_lost_code(world: World, frame: Frame, judge: Judge) -> None:
    """Record at the end of a check that the site cannot know how its code was judged. ``judge``: at its start."""
    modes = UNJUDGED if judge == Judge.UNDECIDED else LOSES
    is_lost = frame.step.is_stopped or (frame.has_asked and frame.step.mode in modes)
    if is_lost and judge != Judge.SITE:
        world.ledger.lost.setdefault(str(frame.target), set()).add(frame.code)


# --- what a code may and must do --------------------------------------------------------------------------------------


def is_right_here(ledger: Ledger, attempt: str, code: str) -> bool:
    """Return whether the code is that of the site, and the site may judge it."""
    return ledger.made.get(attempt) == code and judge_of(ledger, attempt) != Judge.TELROI


def expect_no_request(world: World, attempt: str, code: str) -> None:
    """Check a request to Telroi about a code: the site must not need it."""
    judge = judge_of(world.ledger, attempt)
    world.expect(judge != Judge.SITE, "2: Telroi is asked about a code that the site checks")
    world.expect(not is_right_here(world.ledger, attempt, code), "2: Telroi is asked about the site's own code")


def expect_result(world: World, frame: Frame, before: dict[str, Any], judge: Judge, result: Any) -> None:
    """Check the result of a code, and that its try is counted once. ``before`` and ``judge``: as the step began."""
    attempt, code = before["uuid"], frame.code
    if frame.step.is_stopped or frame.step.inside or before["followed_by"] or judge == Judge.TELROI:
        return
    tries, tries_before, max_tries = rows.attempt(attempt)["tries"], before["tries"], before["max_tries"]
    is_open = before["status"] in CHECKABLE and world.clock.now < rows.moment(before["expires_at"])
    if not is_open:
        is_over = before["status"] in FINAL and before["status"] != "verified"
        world.expect(not is_over or tries == tries_before, "3: a code after the end uses a try")
        return
    is_repeat = judge == Judge.UNDECIDED and code in world.ledger.lost.get(attempt, ())
    if tries_before < max_tries:
        used = {tries_before, tries_before + 1} if is_repeat else {tries_before + 1}
        world.expect(tries in used, "3: a code does not use one try")
        if is_right_here(world.ledger, attempt, code):
            world.expect(result.outcome == CheckOutcome.VERIFIED, "2: the site's code does not verify at once")
        elif judge == Judge.SITE:
            wrong = CheckOutcome.LOCKED if tries == max_tries else CheckOutcome.WRONG_CODE
            world.expect(result.outcome == wrong, "3: a wrong code has another outcome")
    else:
        world.expect(tries == max_tries, "3: more tries than allowed")
    if judge == Judge.SITE:
        world.expect(result.outcome != CheckOutcome.UNAVAILABLE, "2: a code that the site checks is unavailable")


# --- what the rows may say --------------------------------------------------------------------------------------------


def broken_in(world: World, attempts: list[dict[str, Any]]) -> Iterator[str]:
    """Return what the rows say wrongly about who judges, and the digests that should not exist."""
    for row in attempts:
        if row["status"] in FINAL - {"verified"} and (row["code_digest"] or row["judging"] not in ("{}", "")):
            yield f"4: a digest stays on an attempt that is {row['status']}"
        if row["status"] in ("dialing", "placed", "unknown"):
            yield from _broken_by_judge(world.ledger, row)


def _broken_by_judge(ledger: Ledger, row: dict[str, Any]) -> Iterator[str]:
    otp, judge = otp_of(ledger, row["uuid"]), row["judge"]
    if bool(row["code_digest"]) == (judge == Judge.TELROI):
        yield "4: a digest stays although Telroi judges, or the site judges without one"
    if otp is not None and judge not in (Judge.UNDECIDED, Judge.SITE if otp.is_own else Judge.TELROI):
        yield "3: the row names another judge than the maker of the code"
    if row["uuid"] in ledger.requests and judge_of(ledger, row["uuid"]) not in (Judge.UNDECIDED, judge):
        yield "3: the site was told who judges, and does not know it"
    says_who = otp is None or otp.says_who
    if row["status"] == "placed" and judge == Judge.UNDECIDED and says_who:
        yield "3: it is not known who judges a call that was reported"
