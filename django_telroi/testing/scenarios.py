"""Each refusal and each failure that a person may meet, by its name: ``telroi.play("down")``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django_telroi import conf, services
from django_telroi.backends.locmem import LocmemCall
from django_telroi.domain.phone import parse_phone
from django_telroi.domain.states import Judge
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.transactions import write_alias
from django_telroi.testing.fake_telroi import FakeTelroi
from django_telroi.testing.scenario_table import SCENARIOS, scenario
from django_telroi.testing.settings_of_test import rate_limits

__all__ = ["SCENARIOS"]

NO_NUMBER = "+234 803"
PREMIUM_NUMBER = "+2347001234567"
ACTOR, REASON = "a test", "a test"


@scenario("number", "invalid_number", 400)
def _invalid_number(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The input is not a phone number."""
    return NO_NUMBER


@scenario("number", "not_callable", 400)
def _premium_number(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The number is expensive, and is never called."""
    return PREMIUM_NUMBER


@scenario("number", "not_callable", 400)
def _blocked_number(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Staff blocked the number."""
    services.block_number(number, reason=REASON, actor=ACTOR)
    return number


@scenario("number", "region_not_allowed", 400)
def _region_not_allowed(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The site does not call the country of the number."""
    telroi.configure(BLOCKED_REGIONS=[parse_phone(number).region])
    return number


@scenario("number", "destination_paused", 429)
def _destination_paused(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Calls to the country of the number are paused for an hour."""
    services.block_destination(parse_phone(number).region, length=timedelta(hours=1), reason=REASON, actor=ACTOR)
    return number


@scenario("number", "cooldown", 429)
def _cooldown(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The number was called a moment ago."""
    telroi.configure(COOLDOWN_SECONDS=60)
    return _call_earlier(telroi, number)


@scenario("number", "hourly_limit", 429)
def _hourly_limit(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The number had all calls of this hour."""
    telroi.configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=1)
    return _call_earlier(telroi, number)


@scenario("number", "daily_limit", 429)
def _daily_limit(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The number had all calls of this day."""
    telroi.configure(COOLDOWN_SECONDS=0, CALLS_PER_DAY=1)
    return _call_earlier(telroi, number)


@scenario("number", "held", 429)
def _held(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi asked for a pause of calls to the number, after an earlier call."""
    telroi.fail_calls(NUMBER_LIMITED)
    services.start_verification(number)
    telroi.recover()
    return number


@scenario("number", "too_many_wrong_codes", 429)
def _too_many_wrong_codes(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The user, or the number without a user, had too many wrong codes in a row."""
    telroi.configure(COOLDOWN_SECONDS=0, WRONG_CODES={"warn": 1, "wait": 1, "lock": 1})
    attempt = services.start_verification(number, user=user)
    services.check_code(attempt.uuid, telroi.calls.pop().wrong_code, user=user)
    return number


@scenario("number", "too_many_requests", 429)
def _too_many_requests(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The address of the person asked for too many calls."""
    telroi.enter(rate_limits({"start": {"ip": "0/h"}}))
    return number


@scenario("number", "bot_check_failed", 403)
def _bot_check_failed(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The function of the site in ``BOT_CHECK`` says no."""
    telroi.configure(BOT_CHECK=lambda *, request, token: False)
    return number


@scenario("number", "consent_required", 400)
def _consent_required(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The text of ``CONSENT_TEXT`` changed while the page was open."""
    telroi.configure(CONSENT_TEXT="You agree to one call.", CONSENT_VERSION="a test")
    return number


@scenario("number", "site_limit", 503)
def _site_limit(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The site placed all calls of this day."""
    telroi.configure(CALLS_PER_DAY_TOTAL=0)
    return number


@scenario("number", "calls_stopped", 503)
def _calls_stopped(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Staff stopped all calls."""
    services.stop_calls(reason=REASON, actor=ACTOR)
    return number


@scenario("number", "unavailable", 503)
def _down(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi cannot be reached. Nothing was sent."""
    telroi.fail_calls(ApiUnreachable())
    return number


@scenario("number", "unavailable", 503)
def _overloaded(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 503, and places no call."""
    telroi.fail_calls(ApiRefused(503, "service_unavailable", "Key verification temporarily unavailable"))
    return number


@scenario("number", "unavailable", 503)
def _key_limited(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 429 for the key: the site asked for too many calls in a minute."""
    wait = 56
    telroi.fail_calls(ApiRefused(429, "rate_limited", f"Too many requests. Try again in {wait}s.", wait, "key"))
    return number


NUMBER_LIMITED = ApiRefused(
    429, "rate_limited", "Too many requests for this number. Retry after 60s.", retry_after=60, scope="number"
)


@scenario("number", "held", 429)
def _number_limited(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 429 for the number."""
    telroi.fail_calls(NUMBER_LIMITED)
    return number


@scenario("number", "misconfigured", 503)
def _refused_key(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 401: the key is wrong or revoked."""
    telroi.fail_calls(ApiRefused(401, "unauthorized", "Invalid or revoked API key"))
    return number


@scenario("number", "unavailable", 503)
def _no_funds(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 502: the wallet of the workspace is empty."""
    telroi.fail_calls(ApiRefused(502, "otp_failed", "insufficient_funds"))
    return number


@scenario("number", "not_callable", 400)
def _number_rejected(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 400: it does not accept the number."""
    telroi.fail_calls(ApiRefused(400, "invalid", "to (E.164 destination) is required"))
    return number


@scenario("number", "unknown", 202)
def _outcome_unknown(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The phone rings, and Telroi's answer is lost."""
    telroi.fail_calls(ApiOutcomeUnknown(), rings=True)
    return number


@scenario("number", "unknown", 202)
def _carrier_failed(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi answers 502: its carrier failed. The phone does not ring, but Telroi cannot tell."""
    telroi.fail_calls(ApiRefused(502, "otp_failed", "Gateway returned 500"))
    return number


@scenario("code", "wrong_code", 200)
def _wrong_code(telroi: FakeTelroi, number: str, user: Any) -> str:
    """A wrong code. Tries are left."""
    return _newest_call(telroi).wrong_code


@scenario("code", "locked", 200)
def _too_many_tries(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The last try of the call is a wrong code."""
    call = _newest_call(telroi)
    attempt = _attempt_of(call)
    for _ in range(attempt.tries_left - 1):
        services.check_code(attempt.uuid, call.wrong_code, user=attempt.user)
    return call.wrong_code


@scenario("code", "invalid_code", 400)
def _no_code(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The input is not a code."""
    return "one two three"


@scenario("code", "expired", 410)
def _expired(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The right code, too late."""
    call = _newest_call(telroi)
    telroi.pass_time(seconds=conf.code_ttl().total_seconds() + 1)
    return call.code


@scenario("code", "closed", 409)
def _canceled(telroi: FakeTelroi, number: str, user: Any) -> str:
    """The right code of a call that was canceled, for example in another tab."""
    call = _newest_call(telroi)
    attempt = _attempt_of(call)
    services.cancel_verification(attempt.uuid, user=attempt.user)
    return call.code


@scenario("code", "unavailable", 503)
def _code_not_judged(telroi: FakeTelroi, number: str, user: Any) -> str:
    """Telroi made the code (``CODES``), and cannot be reached when it is typed."""
    call = _newest_call(telroi)
    rows = VerificationAttempt.objects.using(write_alias()).filter(pk=_attempt_of(call).pk)
    rows.update(judge=Judge.TELROI, code_digest="", telroi_id=call.id)
    telroi.fail_checks(ApiUnreachable())
    return call.code


def _call_earlier(telroi: FakeTelroi, number: str) -> str:
    """Call the number as an earlier request did. ``telroi.calls`` has that call no more. Returns the number."""
    services.start_verification(number)
    telroi.calls.pop()
    return number


def _newest_call(telroi: FakeTelroi) -> LocmemCall:
    if not telroi.calls:
        raise LookupError("No call was placed yet. A scenario of a code is played after the call.")
    return telroi.calls[-1]


def _attempt_of(call: LocmemCall) -> VerificationAttempt:
    attempts = VerificationAttempt.objects.using(write_alias()).filter(phone__number=call.to)
    return attempts.order_by("-created_at", "-pk")[0]
