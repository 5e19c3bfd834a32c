"""The names that sites rely on. One that is missing here breaks somebody's upgrade."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from types import ModuleType

import pytest

PUBLIC = {
    "django_telroi.client": "JSON OtpCall OtpCheck TelroiClient WebhookEvent read_webhook",
    "django_telroi.errors": """
        ApiError ApiOutcomeUnknown ApiRefused ApiUnreachable AttemptNotFound CallsStopped ChangedMeanwhile
        CooldownActive DailyLimitReached HourlyLimitReached InsideTransaction InvalidNumber InvalidPurpose
        Misconfigured NotCallable
        NumberHeld NumberTaken ProofRejected RateScope RegionNotAllowed SignatureRejected SiteLimitReached TelroiError
        TooManyRequests Unavailable UnstorableText UserNotFound VerificationRefused
    """,
    "django_telroi.models": """
        AttemptEvent CallControl DbNow EventKind PhoneNumber RefusalTally VerificationAttempt VerifiedPhone
    """,
    "django_telroi.rest.fields": "ProofField",
    "django_telroi.rest.permissions": "IsAuthenticatedOrVerifying IsPhoneVerified",
    "django_telroi.rest.views": """
        CallAgainView CancelView CheckView PhoneEndpoint PhonesView StartView VerificationView
    """,
    "django_telroi.services": """
        CheckOutcome CheckResult EventEffect MayStart PhoneRecord Proof Purged AttemptStatus StartFacts Swept add_phone
        block_number call_again call_control cancel_verification check_code erase_number export_number follow
        forget_phone reset_limits has_verified_phone move_number phone_record place_call purge read_proof record_event
        redeem_proof release_hold resume_calls reveal_number start_verification stop_calls sweep unblock_number
        verified_phones
    """,
    "django_telroi.signals": "alert call_failed call_placed code_rejected phone_verified verification_refused",
    "django_telroi.services.sentences": """
        SENTENCES check_sentence duration go_on_sentence length_sentence result_sentence sentence status_sentence
        wait_sentence
    """,
    "django_telroi.simulator": "Call Simulator",
    "django_telroi.tasks": "place_call purge sweep",
    "django_telroi.testing": "BackendContract RemoteBackendContract last_code_for outbox running_simulator",
    "django_telroi.web.forms": "CodeField CodeForm PhoneField PhoneForm ProofField ProofFormMixin",
    "django_telroi.web.gates": "PhoneVerifiedRequiredMixin phone_verified_required",
}


def exports_of(module: ModuleType) -> set[str]:
    """What ``__all__`` says, and every name of it must be there; without one, what the module itself defines."""
    if hasattr(module, "__all__"):
        return {name for name in module.__all__ if hasattr(module, name)}
    return {name for name in defined_in(module) if not name.startswith("_")}


def defined_in(module: ModuleType) -> set[str]:
    body = ast.parse(inspect.getsource(module)).body
    made = {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return made | {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_exports_what_was_promised_and_no_more(name: str) -> None:
    assert exports_of(import_module(name)) == set(PUBLIC[name].split())
