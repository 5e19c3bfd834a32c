"""The tables: numbers, attempts, events, call control. Only ``services`` writes them."""

from __future__ import annotations

from django_telroi.models.attempt import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.models.call_control import CallControl, RefusalTally
from django_telroi.models.database_clock import DbNow
from django_telroi.models.phone_number import PhoneNumber, VerifiedPhone

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
