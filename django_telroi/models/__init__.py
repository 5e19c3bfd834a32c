"""The rows: what is remembered of numbers, calls and answers. Only ``services`` writes them."""

from __future__ import annotations

from django_telroi.models.attempts import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.models.clock import DbNow
from django_telroi.models.control import CallControl, RefusalTally
from django_telroi.models.numbers import PhoneNumber, VerifiedPhone

__all__ = [
    "AttemptEvent",
    "CallControl",
    "DbNow",
    "EventKind",
    "PhoneNumber",
    "RefusalTally",
    "VerificationAttempt",
    "VerifiedPhone",
]
