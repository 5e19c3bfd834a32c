from __future__ import annotations

import itertools

import pytest

from django_telroi.domain.states import CHECKABLE, FINAL, TRANSITIONS, UNFINISHED, Dispatch, Status, may_become

# The table of the design, word for word.
LEGAL = {
    "queued": "dialing failed expired canceled superseded",
    "dialing": "placed failed unknown queued canceled superseded",
    "unknown": "placed failed verified locked expired canceled superseded",
    "placed": "verified locked expired canceled superseded",
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Status, Status)))
def test_a_move_is_legal_exactly_where_the_table_says_so(old: Status, new: Status) -> None:
    expected = new.value in LEGAL.get(old.value, "").split()

    assert may_become(old, new) is expected


def test_every_status_has_its_line_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Status)


def test_the_table_cannot_be_changed_by_whoever_reads_it() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Status.VERIFIED] = frozenset(Status)  # type: ignore[index]


def test_a_final_status_is_one_that_nothing_leaves() -> None:
    assert {status.value for status in FINAL} == {"verified", "locked", "failed", "expired", "canceled", "superseded"}
    assert all(not TRANSITIONS[status] for status in FINAL)


def test_unfinished_is_all_that_is_not_final() -> None:
    assert set(Status) - FINAL == UNFINISHED
    assert {status.value for status in UNFINISHED} == {"queued", "dialing", "placed", "unknown"}


def test_a_code_may_be_judged_only_while_a_right_one_could_still_verify() -> None:
    assert {status for status in Status if may_become(status, Status.VERIFIED)} == CHECKABLE


@pytest.mark.parametrize("status", sorted(UNFINISHED))
def test_an_unfinished_attempt_can_always_be_withdrawn(status: Status) -> None:
    assert may_become(status, Status.CANCELED)
    assert may_become(status, Status.SUPERSEDED)


@pytest.mark.parametrize("first", [Status.QUEUED, Status.DIALING])
def test_every_other_status_can_be_reached_from_either_start(first: Status) -> None:
    reached = {first}
    while found := {new for old in reached for new in TRANSITIONS[old]} - reached:
        reached |= found

    assert reached == set(Status)


def test_the_words_are_stable_for_rows_and_clients_keep_them() -> None:
    assert [status.value for status in Status] == [
        "queued", "dialing", "placed", "unknown", "verified", "locked", "failed", "expired", "canceled", "superseded",
    ]  # fmt: skip
    assert [dispatch.value for dispatch in Dispatch] == ["inline", "celery"]
