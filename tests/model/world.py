"""Two numbers, their people, and all possible steps: the real services with the model's Telroi.

``World.do`` runs one step, and ``World.broken`` lists the promises that it broke. Steps can be nested: a step with a
request to Telroi can contain another one, which runs before or after Telroi acts and before its answer is read.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import OperationalError

from django_telroi import services, signals
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.errors import ApiOutcomeUnknown, AttemptNotFound, ProofRejected, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome
from tests.manual_clocks import SiteClock
from tests.model import judges, rows
from tests.model.ledger import NUMBERS, Frame, Ledger, Step
from tests.model.telroi import CODE_REFUSED, KILLED_AFTER, LOST, MAY_RING, Exchange, Killed, report_of
from tests.model.trouble import Watch, secrets_in, stopped

PROOF_LASTS = timedelta(minutes=10)
CLAIMS = frozenset({"start", "again", "place"})
RAISES = frozenset({"event", "place", "sweep", "redeem"})
"""Steps that raise an error after a database outage. The caller retries them."""

Kept = tuple[rows.Rows, bytes]
"""All rows, and the pickled ledger."""


class World:
    """The whole state. ``clock`` is the clock of the database. ``maker``: the setting ``CODES``."""

    def __init__(self, clock: SiteClock, ada: User, *, maker: str) -> None:
        self.clock, self.ada, self.maker = clock, ada, maker
        self.ledger = Ledger(now=clock.now)
        self.broken: list[str] = []
        self.frames: list[Frame] = []
        self.published: list[int] = []
        self.did_happen = True
        self.ends: dict[tuple[object, ...], tuple[str, ...]] = {}
        """What comes of attempts by time alone: the promises that it breaks."""
        self._unchanged: Kept | None = None
        """The kept state that the world is still in, None after a step."""
        self._rows: rows.Rows | None = None
        """All rows, None after a step."""

    # --- states ---------------------------------------------------------------------------------------------------

    def keep(self) -> Kept:
        """Return the state, to which ``bring_back`` returns."""
        if self._unchanged is None:
            self._unchanged = self._read(), pickle.dumps(self.ledger)
        return self._unchanged

    def bring_back(self, kept: Kept) -> None:
        if self._unchanged is not kept:
            rows.write(kept[0])
            self.ledger = pickle.loads(kept[1])
            self.clock.now = self.ledger.now
            self._unchanged, self._rows = kept, kept[0]
        self.frames, self.broken, self.published, self.did_happen = [], [], [], True

    def shape(self) -> int:
        return hash((rows.shape(self._read(), now=self.clock.now), self.ledger.shape()))

    def _read(self) -> rows.Rows:
        if self._rows is None:
            self._rows = rows.read()
        return self._rows

    # --- steps ----------------------------------------------------------------------------------------------------

    def do(self, step: Step) -> Any:
        """Return the result of the service. None if it refused or was killed."""
        self._unchanged = self._rows = None
        frame = Frame(step, self._target(step), set(rows.uuids()))
        self.frames.append(frame)
        if step.name in CLAIMS:
            self.clock.advance(0.001)  # claims of one number have different times
        result, has_stopped = None, [False]
        judge = judges.judge_of(self.ledger, str(frame.target))
        try:
            with stopped(step, has_stopped):
                result = getattr(self, f"_{step.name}")(step)
        except VerificationRefused:
            may_ring = frame.has_asked and step.mode in MAY_RING
            self.expect(not may_ring, "2: a call that may ring is refused, and its attempt is not named")
        except OperationalError:
            self.expect(step.name in RAISES, "2: a database that is gone is not told as Unavailable")
        except (Killed, AttemptNotFound, ProofRejected):
            pass
        finally:
            self.frames.pop()
        self.did_happen &= has_stopped[0] == step.is_stopped and (frame.has_asked or step.inside is None)
        if step.name == "check":
            judges.note_lost_code(self, frame, judge)
        judges.note_answer(self, frame)
        self._learn(frame)
        self.ledger.now = self.clock.now
        return result

    def look_at(self, attempt: str) -> None:
        """Ask for the status of an attempt, which may settle it."""
        self._unchanged = self._rows = None
        services.follow(attempt, user=self._user_of(attempt))

    def _start(self, step: Step) -> Any:
        return services.start_verification(
            NUMBERS[step.who], user=self._user(NUMBERS[step.who]), attempt_uuid=UUID(str(step.what))
        )

    def _repeat(self, step: Step) -> Any:
        """Repeat the same request."""
        attempt = self.ledger.attempts[step.who]
        number = self.ledger.number_of[attempt]
        return services.start_verification(number, user=self._user(number), attempt_uuid=UUID(attempt))

    def _again(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        return services.call_again(attempt, user=self._user_of(attempt))

    def _check(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        frame = self.frames[-1]
        code = frame.code = str(step.what)
        before, judge = rows.attempt(attempt), judges.judge_of(self.ledger, attempt)
        if judges.is_right_here(self.ledger, attempt, code):
            self.ledger.right.setdefault(attempt, set()).add(code)
        result = services.check_code(attempt, code, user=self._user_of(attempt))
        if result.outcome == CheckOutcome.VERIFIED or result.proof:
            self.expect(code in self.ledger.right.get(attempt, ()), "3: a code that was never right got verified")
            verified_at = rows.attempt(attempt)["verified_at"]
            is_late = verified_at is not None and rows.moment(verified_at) + PROOF_LASTS < self.clock.now
            self.expect(not is_late, "3: verified more than ten minutes after the verification")
        judges.expect_result(self, frame, before, judge, result)
        if result.proof:
            self.ledger.proofs[attempt] = result.proof
        return result

    def _place(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        services.place_call(rows.attempt(attempt)["id"])

    def _cancel(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        # A cancel ends the newer calls of the flow too, which the person may not know yet.
        flow = [attempt]
        for uuid in flow:
            flow += self.ledger.followed_by.get(uuid, ())
        self.ledger.given_up.update(flow)
        return services.cancel_verification(attempt, user=self._user_of(attempt))

    def _sweep(self, step: Step) -> Any:
        return services.sweep()

    def _wait(self, step: Step) -> Any:
        self.ledger.waits += 1
        self.clock.advance(float(step.what))

    def _event(self, step: Step) -> Any:
        otp = self.ledger.telroi.otps[step.who]
        self.ledger.reported[otp.id] = self.ledger.reported.get(otp.id, 0) + 1
        effect = services.record_event(report_of(otp))
        if effect == "placed" and otp.says_who:
            self.ledger.confirmed.add(otp.attempt)
        return effect

    def _redeem(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        number = services.redeem_proof(self.ledger.proofs[attempt], purpose="")
        self.expect(attempt not in self.ledger.spent, "3: a proof was spent twice")
        self.expect(number == self.ledger.number_of[attempt], "3: a proof told another number")
        self.expect(bool(self.ledger.right.get(attempt)), "3: a proof without a right code")
        self.ledger.spent.add(attempt)
        return number

    # --- Telroi, as the site's backend sees it ----------------------------------------------------------------------

    def call(self, to: str, code: str | None) -> OtpCall:
        frame = self.frames[-1]
        if frame.target is None or frame.target not in rows.uuids():
            frame.target = self._claimed(frame, to)
        judges.note_request(self, frame, code)
        frame.has_asked = True
        is_refused = frame.step.mode == CODE_REFUSED and code is not None
        if frame.step.mode in MAY_RING and not is_refused:
            count = self.ledger.requests[frame.target] = self.ledger.requests.get(frame.target, 0) + 1
            self.expect(count <= 1, "1: two calls for one attempt")
            self.expect(not self._rang_before(frame), '1: two calls for one "call again"')
        number = self.ledger.number_of.setdefault(frame.target, to)
        self.expect(number == to, "1: a call to another number")
        return self.ledger.telroi.call(
            to, self._exchange(frame), attempt=frame.target, code=code, now=lambda: self.clock.now
        )

    def check(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        frame = self.frames[-1]
        frame.has_asked = True
        target = frame.target or ""
        self.expect(code == frame.code, "3: another code was judged than was typed")
        judges.expect_no_request(self, target, code)
        exchange = self._exchange(frame)
        check, otp = self.ledger.telroi.check(code, exchange, call_id=call_id, to=to, now=lambda: self.clock.now)
        # Without an id, Telroi may judge by a call that began after the code was sent, and not by this one.
        is_newer = otp is not None and self._place_of(otp.attempt) > self._place_of(target)
        if check.verified and check.livemode and not is_newer:
            self.ledger.right.setdefault(target, set()).add(code)
        exchange.after()
        if frame.step.mode == KILLED_AFTER:
            raise Killed
        if frame.step.mode == LOST:
            raise ApiOutcomeUnknown
        return check

    def _exchange(self, frame: Frame) -> Exchange:
        step = frame.step
        inside = step.inside

        def happen() -> None:
            if inside is not None:
                self._learn(frame)
                self.did_happen = self.did_happen and self.is_possible(inside)
                if self.did_happen:
                    self.do(inside)

        nothing: Callable[[], None] = lambda: None  # noqa: E731
        return Exchange(
            step.mode, before=happen if step.is_before else nothing, after=nothing if step.is_before else happen
        )

    def is_possible(self, step: Step) -> bool:
        if step.name in ("repeat", "again", "check", "place", "cancel"):
            return step.who < len(self.ledger.attempts)
        if step.name == "event":
            return step.who < len(self.ledger.telroi.otps)
        return True

    # --- facts from the rows ----------------------------------------------------------------------------------------

    def _learn(self, frame: Frame) -> None:
        """Add new attempts in order, with the attempts that they were created from."""
        for uuid, number in rows.numbers_by_uuid():
            if uuid in self.ledger.attempts:
                continue
            self.ledger.attempts.append(uuid)
            self.ledger.number_of[uuid] = number
            if frame.step.name == "again":
                old = self.ledger.attempts[frame.step.who]
                self.ledger.followed_by.setdefault(old, []).append(uuid)
        for other in self.frames:
            other.known |= set(self.ledger.attempts)

    def _claimed(self, frame: Frame, number: str) -> str:
        """Return the attempt that this step has claimed: a new one in status dialing."""
        uuids = rows.dialing(number)
        new = [uuid for uuid in uuids if uuid not in frame.known]
        self.expect(bool(uuids), "1: a call without a claim")
        return (new or uuids or [""])[0]

    def _target(self, step: Step) -> str | None:
        if step.name == "start":
            return str(step.what)
        if step.name in ("repeat", "check", "place"):
            return self.ledger.attempts[step.who]
        return None

    def _rang_before(self, frame: Frame) -> bool:
        """Return whether another call that this "call again" requested rang or may have rung."""
        if frame.step.name != "again":
            return False
        before = self.ledger.followed_by.get(self.ledger.attempts[frame.step.who], [])
        rang = [uuid for uuid in before if uuid in self.ledger.requests and uuid != frame.target]
        return any(rows.attempt(uuid)["status"] != "failed" for uuid in rang)

    def number_of_step(self) -> str:
        """Return the number of the step in progress."""
        step = self.frames[-1].step
        return NUMBERS[step.who] if step.name == "start" else self.ledger.number_of[self.ledger.attempts[step.who]]

    def _place_of(self, attempt: str) -> int:
        return self.ledger.attempts.index(attempt)

    def _user(self, number: str) -> User | None:
        return self.ada if number == NUMBERS[1] else None

    def _user_of(self, attempt: str) -> User | None:
        return self._user(self.ledger.number_of[attempt])

    def expect(self, holds: bool, promise: str) -> None:
        if not holds and promise not in self.broken:
            self.broken.append(promise)

    # --- receivers --------------------------------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Receive every ``phone_verified`` signal and read every log line."""
        watch = Watch(self._read_log)
        logger = logging.getLogger("django_telroi")
        logger.addHandler(watch)
        signals.phone_verified.connect(self._hear)
        try:
            yield
        finally:
            signals.phone_verified.disconnect(self._hear)
            logger.removeHandler(watch)

    def _read_log(self, record: logging.LogRecord) -> None:
        self.expect(not secrets_in(record.getMessage()), f"4: a secret in the log: {record.msg}")

    def _hear(self, attempt: VerificationAttempt, **_: object) -> None:
        uuid = str(attempt.uuid)
        self.expect(uuid not in self.ledger.told, "3: the site was told twice of one verification")
        self.expect(bool(self.ledger.right.get(uuid)), "3: a phone_verified signal without a right code")
        self.ledger.told.append(uuid)
