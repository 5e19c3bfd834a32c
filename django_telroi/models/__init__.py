"""The tables: numbers, attempts, events, call control, support's notes, wrong codes. Only ``services`` writes them."""

from __future__ import annotations

from django_telroi.models.attempt import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.models.blocked_destination import BlockedDestination
from django_telroi.models.call_control import CallControl, RefusalTally
from django_telroi.models.consent_text import ConsentText
from django_telroi.models.database_clock import DbNow
from django_telroi.models.phone_number import PhoneNumber, VerifiedPhone
from django_telroi.models.support_note import SupportNote
from django_telroi.models.wrong_codes import UserWrongCodes

__all__ = [
    "AttemptEvent",
    "BlockedDestination",
    "CallControl",
    "ConsentText",
    "DbNow",
    "EventKind",
    "PhoneNumber",
    "RefusalTally",
    "SupportNote",
    "UserWrongCodes",
    "VerificationAttempt",
    "VerifiedPhone",
]
