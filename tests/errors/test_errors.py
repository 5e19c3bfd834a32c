"""What can go wrong survives a worker's queue and tells no secret."""

from __future__ import annotations

import copy
import pickle

import pytest

from django_telroi import errors
from django_telroi.errors import (
    ApiError,
    ApiOutcomeUnknown,
    ApiRefused,
    ApiUnreachable,
    AttemptNotFound,
    ChangedMeanwhile,
    InsideTransaction,
    NumberTaken,
    ProofRejected,
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
    "TooManyRequests": ("too_many_requests", 429),
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
    AttemptNotFound(),
    UserNotFound(),
    InsideTransaction(),
    UnstorableText("reason"),
    ChangedMeanwhile(),
    SignatureRejected(),
    ProofRejected(),
    NumberTaken(),
    *(getattr(errors, name)(wait) for name in REFUSALS for wait in (None, 60)),
]


def everything() -> list[type[TelroiError]]:
    """Every error of the tree, in the order it is drawn."""
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TelroiError)]


def test_there_is_an_example_of_every_error_that_is_raised() -> None:
    roots = {TelroiError, ApiError, VerificationRefused}

    assert {type(error) for error in EXAMPLES} == set(everything()) - roots


BARE = [each(500) if each is ApiRefused else each() for each in everything() if each is not VerificationRefused]


@pytest.mark.parametrize("error", BARE, ids=lambda error: type(error).__name__)
def test_an_error_says_in_words_what_happened(error: TelroiError) -> None:
    assert len(str(error).split()) >= 3
    assert "None" not in str(error)


def test_words_that_an_error_brings_are_said_instead() -> None:
    assert str(ApiUnreachable("The name could not be resolved.")) == "The name could not be resolved."


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = str(errors.__doc__).splitlines()
    lines = [line for line in drawn if "──" in line]

    assert [line.split()[next(i for i, w in enumerate(line.split()) if "──" in w) + 1] for line in lines] == [
        each.__name__ for each in everything() if each is not TelroiError
    ]


@pytest.mark.parametrize(("name", "told"), REFUSALS.items(), ids=REFUSALS)
def test_each_refusal_has_its_code_and_its_status(name: str, told: tuple[str, int]) -> None:
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
def test_an_error_survives_pickling_and_copying(error: TelroiError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (again.args, vars(again)) == (error.args, vars(error))
        assert (str(again), repr(again)) == (str(error), repr(error))


def test_a_refusal_of_telrois_keeps_its_words_for_staff_alone() -> None:
    error = ApiRefused(502, "otp_failed", "Trunk to +2348031234567 is congested")

    assert "2348031234567" not in f"{error} {error!r}"
    assert str(error) == "Telroi answered 502 otp_failed"


def test_whoever_sits_inside_a_transaction_learns_the_way_out() -> None:
    assert "@transaction.non_atomic_requests" in str(InsideTransaction())
