"""The services: start, place, check and follow a verification.

Only services write rows. No service sends an HTTP request inside a database transaction.
"""

from __future__ import annotations

from django_telroi.services.accounts.ownership import move_number
from django_telroi.services.accounts.phones import (
    PhoneRecord,
    forget_phone,
    has_verified_phone,
    phone_record,
    verified_phones,
)
from django_telroi.services.accounts.proofs import Proof, add_phone, read_proof, redeem_proof
from django_telroi.services.attempts.status import AttemptStatus, cancel_verification, follow
from django_telroi.services.attempts.typed_codes import CheckOutcome, CheckResult
from django_telroi.services.calls.queue import place_call
from django_telroi.services.calls.request import MayStart, StartFacts
from django_telroi.services.calls.start import call_again, start_verification
from django_telroi.services.calls.webhook_events import EventEffect, record_event
from django_telroi.services.codes.check import check_code
from django_telroi.services.staff.staff_actions import (
    block_number,
    call_control,
    erase_number,
    export_number,
    release_hold,
    reset_limits,
    resume_calls,
    reveal_number,
    stop_calls,
    unblock_number,
)
from django_telroi.services.upkeep.purge import Purged, purge
from django_telroi.services.upkeep.sweep import Swept, sweep

__all__ = [
    "AttemptStatus",
    "CheckOutcome",
    "CheckResult",
    "EventEffect",
    "MayStart",
    "PhoneRecord",
    "Proof",
    "Purged",
    "StartFacts",
    "Swept",
    "add_phone",
    "block_number",
    "call_again",
    "call_control",
    "cancel_verification",
    "check_code",
    "erase_number",
    "export_number",
    "follow",
    "forget_phone",
    "has_verified_phone",
    "move_number",
    "phone_record",
    "place_call",
    "purge",
    "read_proof",
    "record_event",
    "redeem_proof",
    "release_hold",
    "reset_limits",
    "resume_calls",
    "reveal_number",
    "start_verification",
    "stop_calls",
    "sweep",
    "unblock_number",
    "verified_phones",
]
