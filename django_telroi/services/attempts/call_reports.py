"""What Telroi's webhooks report about a call, and how a report settles a call whose answer was lost.

A webhook does not name a site. Another system with the same key may have called the same number at the same moment.
With the id of that call, our right code would be judged wrong, so a webhook that comes while dialing must not decide
about our call. It is stored. If the answer to our own call arrives, that answer decides. If it is lost, the stored
event settles the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError

from django_telroi import signals
from django_telroi.domain.states import Judge, Status
from django_telroi.models import AttemptEvent, VerificationAttempt
from django_telroi.services.attempts.transitions import closing_fields, send_after_commit, transition
from django_telroi.services.shared.outcomes import ErrorCode, report_settled_call
from django_telroi.services.shared.transactions import savepoint_if_needed

COMPLETED, FAILED = "otp.completed", "otp.failed"

SETTLING = frozenset({COMPLETED, FAILED})
"""The events that settle a call. Telroi sends them while it places the call. All other events come later."""

SIGNALS = {Status.PLACED: signals.call_placed, Status.FAILED: signals.call_failed}


CODE_MAKERS: Mapping[bool | None, str] = {True: "code of the site", False: "code of the provider"}
"""How the stored event of a completed call says who made its code, by its ``client_supplied``."""

TEST_KEY = "test key"
"""How a stored event says that no phone rang."""


@dataclass(frozen=True)
class CallReport:
    """What an event of Telroi reports about one call.

    ``client_supplied``: whether Telroi read out a code of our request. ``livemode``: False for a call of a test key.
    Both are None if the event does not say it.
    """

    name: str
    call_id: str | None
    reason: str = ""
    client_supplied: bool | None = None
    livemode: bool | None = None

    @classmethod
    def of_stored_event(cls, call_id: str | None, detail: str) -> CallReport:
        """Return the report of a stored event: the inverse of ``detail``."""
        name, _, rest = detail.partition(": ")
        if name != COMPLETED:
            return cls(name, call_id, reason=rest)
        words = rest.split(", ")
        makers = (supplied for supplied, maker in CODE_MAKERS.items() if maker in words)
        return cls(name, call_id, client_supplied=next(makers, None), livemode=False if TEST_KEY in words else None)

    @property
    def detail(self) -> str:
        """The text of the event on the timeline, after its name."""
        if self.name != COMPLETED:
            return self.reason
        words = (CODE_MAKERS.get(self.client_supplied), TEST_KEY if self.livemode is False else None)
        return ", ".join(filter(None, words))

    def fields(self, attempt: VerificationAttempt, *, now: datetime) -> Mapping[str, object]:
        """Return the fields that the event changes in a call whose outcome is open. Empty if it settles nothing.

        A failed call still counts for the limits of the number: Telroi reports only calls that it stored, and counts
        them.
        """
        if self.name == FAILED:
            reason = {"error_code": ErrorCode.CALL_FAILED, "error_detail": self.reason}
            return closing_fields(Status.FAILED, now=now, telroi_id=self.call_id, **reason)
        if self.name != COMPLETED:
            return {}
        return {
            "status": Status.PLACED,
            "telroi_id": self.call_id,
            "placed_at": now,
            "due_at": attempt.expires_at,
            "error_code": "",
            "error_detail": "",
            **({} if self.livemode is None else {"livemode": self.livemode}),
            **self._judge(attempt),
        }

    def _judge(self, attempt: VerificationAttempt) -> Mapping[str, object]:
        if attempt.judge != Judge.UNDECIDED or self.client_supplied is None:
            return {}
        return {"judge": Judge.SITE} if self.client_supplied else {"judge": Judge.TELROI, "code_digest": ""}


def settle_by_stored_event(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Settle a call whose answer was lost by the webhooks that came while it was dialing, if they name one call only.

    Call it after the UPDATE that set the row to ``unknown``. A process that stores an event holds the row's lock
    until its commit, so no event is missed.
    """
    if attempt.status != Status.UNKNOWN or attempt.telroi_id is not None:
        return
    stored = AttemptEvent.objects.using(using).filter(attempt_id=attempt.pk, call_id__isnull=False).order_by("pk")
    reports = list(stored.values_list("call_id", "detail"))
    if len({call_id for call_id, _ in reports}) != 1:
        return
    fields = CallReport.of_stored_event(*reports[0]).fields(attempt, now=now)
    try:
        with savepoint_if_needed(using):
            is_settled = transition(attempt, fields, from_=(Status.UNKNOWN,), using=using, telroi_id=None)
    except IntegrityError:
        return  # the id belongs to another attempt by now
    if is_settled:
        report_settled_call(attempt, using=using)
        send_after_commit(SIGNALS[Status(attempt.status)], attempt, using=using)
