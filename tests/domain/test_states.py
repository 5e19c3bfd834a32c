from __future__ import annotations

import itertools

import pytest

from django_telroi.domain.states import CHECKABLE, FINAL, TRANSITIONS, UNFINISHED, Dispatch, Status

# The table of the design, written out.
LEGAL = {
    "queued": "dialing failed expired canceled superseded",
    "dialing": "placed failed unknown queued canceled superseded",
    "unknown": "placed failed verified locked expired canceled superseded",
    "placed": "verified locked expired canceled superseded",
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Status, Status)))
def test_a_transition_is_legal_exactly_if_the_table_contains_it(old: Status, new: Status) -> None:
    expected = new.value in LEGAL.get(old.value, "").split()

    assert (new in TRANSITIONS[old]) is expected


def test_every_status_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Status)


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Status.VERIFIED] = frozenset(Status)  # type: ignore[index]


def test_a_final_status_has_no_transitions() -> None:
    assert {status.value for status in FINAL} == {"verified", "locked", "failed", "expired", "canceled", "superseded"}
    assert all(not TRANSITIONS[status] for status in FINAL)


def test_unfinished_statuses_are_all_that_are_not_final() -> None:
    assert set(Status) - FINAL == UNFINISHED
    assert {status.value for status in UNFINISHED} == {"queued", "dialing", "placed", "unknown"}


def test_a_code_is_judged_only_while_the_right_one_could_verify() -> None:
    assert {status for status in Status if Status.VERIFIED in TRANSITIONS[status]} == CHECKABLE


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_an_unfinished_attempt_can_always_be_canceled(status: Status) -> None:
    assert {Status.CANCELED, Status.SUPERSEDED} <= TRANSITIONS[status]


@pytest.mark.parametrize("first", [Status.QUEUED, Status.DIALING])
def test_every_other_status_can_be_reached_from_both_first_ones(first: Status) -> None:
    reached = {first}
    while found := {new for old in reached for new in TRANSITIONS[old]} - reached:
        reached |= found

    assert reached == set(Status)


def test_the_values_of_statuses_do_not_change() -> None:
    assert [status.value for status in Status] == [
        "queued", "dialing", "placed", "unknown", "verified", "locked", "failed", "expired", "canceled", "superseded",
    ]  # fmt: skip
    assert [dispatch.value for dispatch in Dispatch] == ["inline", "celery", "tasks"]
