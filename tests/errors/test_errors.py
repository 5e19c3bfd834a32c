"""Errors can be pickled for a worker's queue and contain no secret."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime

import pytest

from django_telroi import errors
from django_telroi.errors import (
    AlreadyBlocked,
    ApiError,
    ApiOutcomeUnknown,
    ApiRefused,
    ApiRefusedByProxy,
    ApiUnreachable,
    AttemptNotFound,
    ChangedMeanwhile,
    InsideTransaction,
    NumberTaken,
    ProofRejected,
    ReasonRequired,
    SignatureRejected,
    TelroiError,
    UnstorableText,
    UserNotFound,
    VerificationRefused,
)

REFUSALS = {
    "InvalidNumber": ("invalid_number", 400),
    "NotCallable": ("not_callable", 400),
    "RegionNotAllowed": ("region_not_allowed", 400),
    "InvalidPurpose": ("invalid_purpose", 400),
    "CooldownActive": ("cooldown", 429),
    "HourlyLimitReached": ("hourly_limit", 429),
    "DailyLimitReached": ("daily_limit", 429),
    "NumberHeld": ("held", 429),
    "DestinationPaused": ("destination_paused", 429),
    "ConsentRequired": ("consent_required", 400),
    "BotCheckFailed": ("bot_check_failed", 403),
    "TooManyRequests": ("too_many_requests", 429),
    "TooManyWrongCodes": ("too_many_wrong_codes", 429),
    "SiteLimitReached": ("site_limit", 503),
    "CallsStopped": ("calls_stopped", 503),
    "Misconfigured": ("misconfigured", 503),
    "Unavailable": ("unavailable", 503),
}
EXAMPLES: list[TelroiError] = [
    ApiUnreachable("refused"),
    ApiOutcomeUnknown("timed out"),
    ApiRefused(429, "rate_limited", "Retry after 60s.", 60, "number"),
    ApiRefused(500),
    ApiRefusedByProxy(404),
    AttemptNotFound(),
    UserNotFound(),
    InsideTransaction(),
    UnstorableText("reason"),
    ReasonRequired(),
    ChangedMeanwhile(),
    AlreadyBlocked(),
    AlreadyBlocked("grace", datetime(2026, 5, 4, 12, tzinfo=UTC), datetime(2026, 5, 4, 13, tzinfo=UTC)),
    SignatureRejected(),
    ProofRejected(),
    NumberTaken(),
    *(getattr(errors, name)(wait) for name in REFUSALS for wait in (None, 60)),
]


def everything() -> list[type[TelroiError]]:
    """Return every error of the tree, in the order of the docstring."""
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TelroiError)]


def test_every_error_that_is_raised_has_an_example() -> None:
    roots = {TelroiError, ApiError, VerificationRefused}

    assert {type(error) for error in EXAMPLES} == set(everything()) - roots


BARE = [
    each(500) if issubclass(each, ApiRefused) else each() for each in everything() if each is not VerificationRefused
]


@pytest.mark.parametrize("error", BARE, ids=lambda error: type(error).__name__)
def test_an_error_has_a_message(error: TelroiError) -> None:
    assert len(str(error).split()) >= 3
    assert "None" not in str(error)


def test_an_error_can_have_its_own_message() -> None:
    assert str(ApiUnreachable("The name could not be resolved.")) == "The name could not be resolved."


def test_the_tree_of_the_docstring_is_the_actual_one() -> None:
    drawn = str(errors.__doc__).splitlines()
    lines = [line for line in drawn if "──" in line]

    assert [line.split()[next(i for i, w in enumerate(line.split()) if "──" in w) + 1] for line in lines] == [
        each.__name__ for each in everything() if each is not TelroiError
    ]


@pytest.mark.parametrize(("name", "told"), REFUSALS.items(), ids=REFUSALS)
def test_each_refusal_has_its_code_and_status(name: str, told: tuple[str, int]) -> None:
    refusal = getattr(errors, name)

    assert (refusal.code, refusal.http_status) == told
    assert refusal().retry_after is None
    assert refusal(60).retry_after == 60
    assert str(refusal()).endswith(f" ({told[0]}).")
    assert str(refusal(60)).endswith(f" ({told[0]}, retry after 60 s).")


def test_no_two_refusals_share_a_code() -> None:
    assert len({code for code, _ in REFUSALS.values()}) == len(REFUSALS)
    assert len(REFUSALS) == len(VerificationRefused.__subclasses__())


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_an_error_can_be_pickled_and_copied(error: TelroiError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (again.args, vars(again)) == (error.args, vars(error))
        assert (str(again), repr(again)) == (str(error), repr(error))


def test_a_refusal_of_telroi_keeps_its_message_for_staff_only() -> None:
    error = ApiRefused(502, "otp_failed", "Trunk to +2348031234567 is congested")

    assert "2348031234567" not in f"{error} {error!r}"
    assert str(error) == "Telroi answered 502 otp_failed"


def test_the_error_inside_a_transaction_names_the_solution() -> None:
    assert "@transaction.non_atomic_requests" in str(InsideTransaction())
