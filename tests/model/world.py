"""Two numbers, their people, and all that can happen to them: the real services over a Telroi of the model's own.

``World.do`` runs one step, and ``World.broken`` says which promises it broke. Steps can happen inside of each other: a
step that asks Telroi may hold another one, which is done before or after Telroi acts and before its answer is read.
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
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.errors import ApiOutcomeUnknown, AttemptNotFound, ProofRejected, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome
from tests.manual_clocks import SiteClock
from tests.model import rows
from tests.model.ledger import NUMBERS, Frame, Ledger, Step
from tests.model.telroi import KILLED_AFTER, LOSES, LOST, MAY_RING, Exchange, Killed
from tests.model.trouble import Watch, secrets_in, stopped

PROOF_LASTS = timedelta(minutes=10)
CLAIMS = frozenset({"start", "again", "place"})
RAISES = frozenset({"event", "place", "sweep", "redeem"})
"""Steps that say so where the database is gone: whoever asked, asks again."""


class World:
    """Everything there is; ``clock`` is the database's."""

    def __init__(self, clock: SiteClock, ada: User) -> None:
        self.clock, self.ada = clock, ada
        self.ledger = Ledger(now=clock.now)
        self.broken: list[str] = []
        self.frames: list[Frame] = []
        self.published: list[int] = []
        self.did_happen = True
        self.ends: dict[tuple[object, ...], tuple[str, ...]] = {}
        """What comes of attempts by time alone: the promises that it breaks."""

    # --- states ---------------------------------------------------------------------------------------------------

    def keep(self) -> tuple[rows.Rows, bytes]:
        return rows.read(), pickle.dumps(self.ledger)

    def bring_back(self, kept: tuple[rows.Rows, bytes]) -> None:
        rows.write(kept[0])
        self.ledger = pickle.loads(kept[1])
        self.clock.now = self.ledger.now
        self.frames, self.broken, self.published, self.did_happen = [], [], [], True

    def shape(self) -> int:
        return hash((rows.shape(rows.read(), now=self.clock.now), self.ledger.shape()))

    # --- what happens ---------------------------------------------------------------------------------------------

    def do(self, step: Step) -> Any:
        """What the service returned; None where it refused, or was killed."""
        frame = Frame(step, self._target(step), set(rows.uuids()))
        self.frames.append(frame)
        if step.name in CLAIMS:
            self.clock.advance(0.001)  # claims of one number have moments of their own
        result, has_stopped = None, [False]
        try:
            with stopped(step, has_stopped):
                result = getattr(self, f"_{step.name}")(step)
        except VerificationRefused:
            may_ring = frame.has_asked and step.mode in MAY_RING
            self._expect(not may_ring, "2: a call that may ring is refused, and its attempt is not named")
        except OperationalError:
            self._expect(step.name in RAISES, "2: a database that is gone is not told as Unavailable")
        except (Killed, AttemptNotFound, ProofRejected):
            pass
        finally:
            self.frames.pop()
        self.did_happen &= has_stopped[0] == step.is_stopped and (frame.has_asked or step.inside is None)
        if step.name == "check" and (step.is_stopped or (frame.has_asked and step.mode in LOSES)):
            self.ledger.lost.setdefault(str(frame.target), set()).add(frame.code)
        self._learn(frame)
        self.ledger.now = self.clock.now
        return result

    def _start(self, step: Step) -> Any:
        return services.start_verification(
            NUMBERS[step.who], user=self._user(NUMBERS[step.who]), attempt_uuid=UUID(str(step.what))
        )

    def _repeat(self, step: Step) -> Any:
        """The same request once more."""
        attempt = self.ledger.attempts[step.who]
        number = self.ledger.number_of[attempt]
        return services.start_verification(number, user=self._user(number), attempt_uuid=UUID(attempt))

    def _again(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        return services.call_again(attempt, user=self._user_of(attempt))

    def _check(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        code = self.frames[-1].code = str(step.what)
        result = services.check_code(attempt, code, user=self._user_of(attempt))
        if result.outcome == CheckOutcome.VERIFIED or result.proof:
            self._expect(code in self.ledger.right.get(attempt, ()), "3: a code that was never right got verified")
            row = VerificationAttempt.objects.get(uuid=attempt)
            is_late = row.verified_at is not None and row.verified_at + PROOF_LASTS < self.clock.now
            self._expect(not is_late, "3: verified more than ten minutes after the verification")
        if result.proof:
            self.ledger.proofs[attempt] = result.proof
        return result

    def _place(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        services.place_call(VerificationAttempt.objects.get(uuid=attempt).pk)

    def _cancel(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        self.ledger.given_up.add(attempt)
        return services.cancel_verification(attempt, user=self._user_of(attempt))

    def _sweep(self, step: Step) -> Any:
        return services.sweep()

    def _wait(self, step: Step) -> Any:
        self.ledger.waits += 1
        self.clock.advance(float(step.what))

    def _event(self, step: Step) -> Any:
        otp = self.ledger.telroi.otps[step.who]
        name = "otp.completed" if otp.rang else "otp.failed"
        self.ledger.reported[otp.id] = self.ledger.reported.get(otp.id, 0) + 1
        event = WebhookEvent(
            name=name,
            created_at=otp.expires_at - timedelta(seconds=300),
            id=otp.id,
            to=otp.number,
            status="delivered" if otp.rang else "failed",
            verified=None,
            reason="" if otp.rang else "Gateway returned 500",
            digest=f"{name} {otp.id}",
        )
        return services.record_event(event)

    def _redeem(self, step: Step) -> Any:
        attempt = self.ledger.attempts[step.who]
        number = services.redeem_proof(self.ledger.proofs[attempt], purpose="")
        self._expect(attempt not in self.ledger.spent, "3: a proof was spent twice")
        self._expect(number == self.ledger.number_of[attempt], "3: a proof told another number")
        self._expect(bool(self.ledger.right.get(attempt)), "3: a proof without a right code")
        self.ledger.spent.add(attempt)
        return number

    # --- Telroi, as the site's backend sees it ----------------------------------------------------------------------

    def call(self, to: str) -> OtpCall:
        frame = self.frames[-1]
        if frame.target is None or frame.target not in rows.uuids():
            frame.target = self._claimed(frame, to)
        frame.has_asked = True
        if frame.step.mode in MAY_RING:
            count = self.ledger.requests[frame.target] = self.ledger.requests.get(frame.target, 0) + 1
            self._expect(count <= 1, "1: two calls for one attempt")
            self._expect(not self._rang_before(frame), '1: two calls for one "call again"')
        number = self.ledger.number_of.setdefault(frame.target, to)
        self._expect(number == to, "1: a call to another number")
        return self.ledger.telroi.call(to, self._exchange(frame), attempt=frame.target, now=lambda: self.clock.now)

    def check(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        frame = self.frames[-1]
        frame.has_asked = True
        target = frame.target or ""
        self._expect(code == frame.code, "3: another code was judged than was typed")
        exchange = self._exchange(frame)
        check, otp = self.ledger.telroi.check(code, exchange, call_id=call_id, to=to, now=lambda: self.clock.now)
        # Without an id Telroi may judge by a call that began since the code was sent. That says nothing of this one.
        is_newer = otp is not None and self._place_of(otp.attempt) > self._place_of(target)
        if check.verified and not is_newer:
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

    # --- what is learned from the rows ------------------------------------------------------------------------------

    def _learn(self, frame: Frame) -> None:
        """Put new attempts in order, with what they follow from."""
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
        """The attempt that this step has claimed: a new one that is dialing."""
        dialing = VerificationAttempt.objects.filter(phone__number=number, status="dialing").order_by("-pk")
        uuids = [str(uuid) for uuid in dialing.values_list("uuid", flat=True)]
        new = [uuid for uuid in uuids if uuid not in frame.known]
        self._expect(bool(uuids), "1: a call without a claim")
        return (new or uuids or [""])[0]

    def _target(self, step: Step) -> str | None:
        if step.name == "start":
            return str(step.what)
        if step.name in ("repeat", "check", "place"):
            return self.ledger.attempts[step.who]
        return None

    def _rang_before(self, frame: Frame) -> bool:
        """Whether another call rang, or may have, that this same "call again" had asked for."""
        if frame.step.name != "again":
            return False
        before = self.ledger.followed_by.get(self.ledger.attempts[frame.step.who], [])
        rang = [uuid for uuid in before if uuid in self.ledger.requests and uuid != frame.target]
        return VerificationAttempt.objects.filter(uuid__in=rang).exclude(status="failed").exists()

    def _place_of(self, attempt: str) -> int:
        return self.ledger.attempts.index(attempt)

    def _user(self, number: str) -> User | None:
        return self.ada if number == NUMBERS[1] else None

    def _user_of(self, attempt: str) -> User | None:
        return self._user(self.ledger.number_of[attempt])

    def _expect(self, holds: bool, promise: str) -> None:
        if not holds and promise not in self.broken:
            self.broken.append(promise)

    # --- what listens -----------------------------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear every ``phone_verified``, and read every line of the log."""
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
        self._expect(not secrets_in(record.getMessage()), f"4: a secret in the log: {record.msg}")

    def _hear(self, attempt: VerificationAttempt, **_: object) -> None:
        uuid = str(attempt.uuid)
        self._expect(uuid not in self.ledger.told, "3: the site was told twice of one verification")
        self._expect(bool(self.ledger.right.get(uuid)), "3: the site was told of a verification without a right code")
        self.ledger.told.append(uuid)
