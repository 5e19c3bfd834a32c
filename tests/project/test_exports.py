"""The public names. Sites import them, so removing one breaks their upgrade."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from types import ModuleType

import pytest

PUBLIC = {
    "django_telroi.client": "JSON OtpCall OtpCheck TelroiClient WebhookEvent read_webhook",
    "django_telroi.contrib.login.login_api": """
        LoginApiCallAgainView LoginApiCancelView LoginApiCheckView LoginApiStartView LoginApiStatusView LoginEndpoint
    """,
    "django_telroi.contrib.login.views": """
        LoginCallAgainView LoginChangeNumberView LoginCodeView LoginDoneView LoginPage LoginStartView LoginStatusView
    """,
    "django_telroi.contrib.two_factor": "CallGateway",
    "django_telroi.errors": """
        AlreadyBlocked
        ApiError ApiOutcomeUnknown ApiRefused ApiRefusedByProxy ApiUnreachable
        AttemptNotFound BotCheckFailed CallsStopped
        ChangedMeanwhile ConsentRequired CooldownActive DailyLimitReached DestinationPaused
        HourlyLimitReached InsideTransaction InvalidNumber InvalidPurpose
        Misconfigured NotCallable
        NumberHeld NumberTaken ProofRejected RateScope
        RegionNotAllowed ReasonRequired SignatureRejected SiteLimitReached TelroiError
        TooManyRequests TooManyWrongCodes Unavailable UnstorableText UserNotFound VerificationRefused
    """,
    "django_telroi.models": """
        AttemptEvent BlockedDestination CallControl ConsentText
        DbNow EventKind PhoneNumber RefusalTally SupportNote
        UserWrongCodes VerificationAttempt VerifiedPhone
    """,
    "django_telroi.rest.fields": "ProofField",
    "django_telroi.rest.permissions": "ANY_NUMBER IsAuthenticatedOrVerifying IsPhoneVerified",
    "django_telroi.rest.views": """
        CallAgainView CancelView CheckView PhoneEndpoint
        PhonesView StartView StoredNumberStartView VerificationView
    """,
    "django_telroi.services": """
        CheckOutcome CheckResult Converted Consent EventEffect KeyFacts MayStart
        PhoneRecord Proof Purged Admission AttemptStatus StartFacts Swept
        aadd_phone acall_again acancel_verification achange_phone
        acheck_code current_consent do_not_call_path afollow aforget_phone
        ahas_verified_phone aread_out aread_proof aredeem_proof astart_verification add_note add_phone
        block_destination blocked_destinations unblock_destination
        block_for_owner block_number call_again call_control
        cancel_verification change_phone convert_numbers check_code erase_number export_number
        follow forget_phone reset_limits has_verified_phone move_number phone_record place_call purge read_out
        read_proof record_event record_verification redeem_proof release_hold reset_user_wrong_codes reset_wrong_codes
        resume_calls reveal_number
        start_verification stop_calls sweep unblock_number verified_phones
    """,
    "django_telroi.signals": """
        alert call_failed call_placed code_rejected destination_blocked destination_unblocked number_of_other_user
        phone_changed phone_verified too_many_wrong_codes verification_refused
    """,
    "django_telroi.services.sentences": """
        SENTENCES STORED_SENTENCES check_sentence duration go_on_sentence length_sentence result_sentence sentence
        status_sentence stored_sentence wait_sentence
    """,
    "django_telroi.simulator": "Call Simulator",
    "django_telroi.tasks": "place_call purge sweep",
    "django_telroi.pytest_plugin": "telroi telroi_rate_limits telroi_simulator",
    "django_telroi.testing": """
        SCENARIOS BackendContract FakeTelroi FakeTelroiMixin RemoteBackendContract Scenario fake_telroi last_code_for
        outbox rate_limits running_simulator simulated_telroi verify_phone
    """,
    "django_telroi.web.forms": "CodeField CodeForm PhoneField PhoneForm ProofField ProofFormMixin",
    "django_telroi.web.gates": "ANY_NUMBER PhoneVerifiedRequiredMixin phone_verified_required",
}


def exports_of(module: ModuleType) -> set[str]:
    """Return the names of ``__all__``, which must exist, or else the names that the module defines."""
    if hasattr(module, "__all__"):
        return {name for name in module.__all__ if hasattr(module, name)}
    return {name for name in defined_in(module) if not name.startswith("_")}


def defined_in(module: ModuleType) -> set[str]:
    body = ast.parse(inspect.getsource(module)).body
    made = {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    targets = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return made | {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_exports_exactly_the_promised_names(name: str) -> None:
    assert exports_of(import_module(name)) == set(PUBLIC[name].split())
