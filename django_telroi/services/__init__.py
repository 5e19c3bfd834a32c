"""The services: calls and codes, verified numbers of accounts, actions of staff, statistics and upkeep.

Only services write the tables of this app. No service sends an HTTP request inside a database transaction.
"""

from __future__ import annotations

from django_telroi.domain.consent import Consent
from django_telroi.services.accounts.external_verifications import record_verification
from django_telroi.services.accounts.ownership import change_phone, move_number
from django_telroi.services.accounts.phones import (
    PhoneRecord,
    forget_phone,
    has_verified_phone,
    phone_record,
    verified_phones,
)
from django_telroi.services.accounts.proofs import Proof, add_phone, read_proof, redeem_proof
from django_telroi.services.async_services import (
    aadd_phone,
    acall_again,
    acancel_verification,
    achange_phone,
    acheck_code,
    afollow,
    aforget_phone,
    ahas_verified_phone,
    aread_out,
    aread_proof,
    aredeem_proof,
    astart_verification,
)
from django_telroi.services.attempts.status import AttemptStatus, CheckOutcome, CheckResult, cancel_verification, follow
from django_telroi.services.calls.queue import place_call
from django_telroi.services.calls.refusals import current_consent
from django_telroi.services.calls.request import Admission
from django_telroi.services.calls.site_decisions import KeyFacts, MayStart, StartFacts
from django_telroi.services.calls.start import call_again, read_out, start_verification
from django_telroi.services.calls.webhook_events import EventEffect, record_event
from django_telroi.services.codes.check import check_code
from django_telroi.services.staff.call_stops import (
    block_destination,
    blocked_destinations,
    call_control,
    resume_calls,
    stop_calls,
    unblock_destination,
)
from django_telroi.services.staff.staff_actions import (
    block_for_owner,
    block_number,
    erase_number,
    release_hold,
    reset_limits,
    reveal_number,
    unblock_number,
)
from django_telroi.services.staff.support import (
    add_note,
    do_not_call_path,
    export_number,
    reset_user_wrong_codes,
    reset_wrong_codes,
)
from django_telroi.services.upkeep.number_conversion import Converted, convert_numbers
from django_telroi.services.upkeep.purge import Purged, purge
from django_telroi.services.upkeep.sweep import Swept, sweep

__all__ = [
    "Admission",
    "AttemptStatus",
    "CheckOutcome",
    "CheckResult",
    "Consent",
    "Converted",
    "EventEffect",
    "KeyFacts",
    "MayStart",
    "PhoneRecord",
    "Proof",
    "Purged",
    "StartFacts",
    "Swept",
    "aadd_phone",
    "acall_again",
    "acancel_verification",
    "achange_phone",
    "acheck_code",
    "add_note",
    "add_phone",
    "afollow",
    "aforget_phone",
    "ahas_verified_phone",
    "aread_out",
    "aread_proof",
    "aredeem_proof",
    "astart_verification",
    "block_destination",
    "block_for_owner",
    "block_number",
    "blocked_destinations",
    "call_again",
    "call_control",
    "cancel_verification",
    "change_phone",
    "check_code",
    "convert_numbers",
    "current_consent",
    "do_not_call_path",
    "erase_number",
    "export_number",
    "follow",
    "forget_phone",
    "has_verified_phone",
    "move_number",
    "phone_record",
    "place_call",
    "purge",
    "read_out",
    "read_proof",
    "record_event",
    "record_verification",
    "redeem_proof",
    "release_hold",
    "reset_limits",
    "reset_user_wrong_codes",
    "reset_wrong_codes",
    "resume_calls",
    "reveal_number",
    "start_verification",
    "stop_calls",
    "sweep",
    "unblock_destination",
    "unblock_number",
    "verified_phones",
]
