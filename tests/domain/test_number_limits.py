from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from django_telroi.domain.number_limits import (
    DAY,
    HOUR,
    SHORTEST_FLAT_HOLD,
    SLOW_ANSWER,
    SPARE,
    Hold,
    Limit,
    Policy,
    Rule,
    counts_from,
    current_limit,
    hold_after,
    limit_at,
    seconds_to_wait,
    used_in,
    with_call,
    without_call,
)
from django_telroi.errors import CooldownActive, DailyLimitReached, HourlyLimitReached, NumberHeld

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)
NO_TIME = timedelta(0)
STOCK = Policy(cooldown=MINUTE, per_hour=5, per_day=20)


def minutes_ago(*ages: float) -> tuple[datetime, ...]:
    return tuple(NOON - age * MINUTE for age in ages)


# Each limit alone


def test_a_number_without_calls_is_callable() -> None:
    assert current_limit(STOCK, (), held_until=None) is None
    assert limit_at(STOCK, (), now=NOON, held_until=None) is None


def test_after_a_call_the_cooldown_applies() -> None:
    assert current_limit(STOCK, (NOON,), held_until=None) == Limit(Rule.COOLDOWN, NOON + MINUTE)


def test_the_hour_is_full_until_its_oldest_counted_call_is_an_hour_old() -> None:
    calls = minutes_ago(0, 10, 20, 30, 40, 50)

    assert current_limit(STOCK, calls, held_until=None) == Limit(Rule.HOURLY_LIMIT, NOON + 20 * MINUTE)


def test_the_day_is_full_until_its_oldest_counted_call_is_a_day_old() -> None:
    calls = minutes_ago(*range(0, 20 * 61, 61))

    assert current_limit(STOCK, calls, held_until=None) == Limit(Rule.DAILY_LIMIT, calls[19] + DAY)


def test_a_hold_blocks_a_number_without_calls() -> None:
    assert current_limit(STOCK, (), held_until=NOON) == Limit(Rule.HELD, NOON)


def test_of_several_limits_the_longest_is_named() -> None:
    calls = minutes_ago(0, 10, 20, 30, 59.5)

    assert current_limit(STOCK, calls, held_until=NOON + 2 * MINUTE) == Limit(Rule.HELD, NOON + 2 * MINUTE)
    assert current_limit(STOCK, calls, held_until=NOON) == Limit(Rule.COOLDOWN, NOON + MINUTE)


def test_of_limits_that_end_together_the_most_severe_is_named() -> None:
    def named(*, per_hour: int, per_day: int, held_until: datetime | None) -> Rule:
        policy = Policy(cooldown=NO_TIME, per_hour=per_hour, per_day=per_day)
        limit = current_limit(policy, (NOON, NOON - HOUR, NOON - DAY), held_until=held_until)
        assert limit is not None
        assert limit.until == NOON
        return limit.rule

    assert named(per_hour=9, per_day=9, held_until=None) is Rule.COOLDOWN
    assert named(per_hour=9, per_day=9, held_until=NOON) is Rule.HELD
    assert named(per_hour=2, per_day=9, held_until=NOON) is Rule.HOURLY_LIMIT
    assert named(per_hour=2, per_day=3, held_until=NOON) is Rule.DAILY_LIMIT


def test_a_limit_ends_exactly_at_its_moment() -> None:
    limit = limit_at(STOCK, (NOON,), now=NOON + MINUTE - MICROSECOND, held_until=None)

    assert limit == Limit(Rule.COOLDOWN, NOON + MINUTE)
    assert limit_at(STOCK, (NOON,), now=NOON + MINUTE, held_until=None) is None


def test_a_lowered_cap_uses_only_the_newest_calls() -> None:
    calls = minutes_ago(10, 20, 30, 40, 50)
    lowered = Policy(cooldown=MINUTE, per_hour=2, per_day=20)

    assert current_limit(lowered, calls, held_until=None) == Limit(Rule.HOURLY_LIMIT, NOON + 40 * MINUTE)


@pytest.mark.parametrize(
    "broken",
    [
        {"cooldown": -MICROSECOND, "per_hour": 5, "per_day": 20},
        {"cooldown": MINUTE, "per_hour": 0, "per_day": 20},
        {"cooldown": MINUTE, "per_hour": 5, "per_day": -1},
    ],
)
def test_an_invalid_policy_raises_an_error(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="A policy needs"):
        Policy(**broken)  # type: ignore[arg-type]


def test_a_limit_has_the_code_of_its_refusal() -> None:
    assert CooldownActive.code == Rule.COOLDOWN
    assert NumberHeld.code == Rule.HELD
    assert HourlyLimitReached.code == Rule.HOURLY_LIMIT
    assert DailyLimitReached.code == Rule.DAILY_LIMIT


# Counted calls


def test_a_new_call_comes_first() -> None:
    assert with_call(minutes_ago(5, 10), NOON) == (NOON, *minutes_ago(5, 10))


def test_an_earlier_call_is_inserted_in_order() -> None:
    assert with_call(minutes_ago(0, 10), NOON - 5 * MINUTE) == minutes_ago(0, 5, 10)


def test_a_call_that_is_a_day_old_is_removed() -> None:
    young = NOON - DAY + MICROSECOND

    assert with_call((young, NOON - DAY, NOON - 2 * DAY), NOON) == (NOON, young)


def test_a_recent_call_is_never_removed() -> None:
    calls = minutes_ago(*range(1, 101))

    assert with_call(calls, NOON) == (NOON, *calls)


def test_a_call_is_given_back_once() -> None:
    assert without_call((NOON, NOON, *minutes_ago(5)), NOON) == (NOON, *minutes_ago(5))
    assert without_call(minutes_ago(0, 5), NOON - 5 * MINUTE) == (NOON,)


def test_giving_back_an_unknown_call_changes_nothing() -> None:
    assert without_call(minutes_ago(1, 5), NOON) == minutes_ago(1, 5)


def test_used_excludes_the_first_moment_of_the_window() -> None:
    calls = minutes_ago(0, 30, 59, 60, 61)

    assert used_in(calls, now=NOON, window=HOUR) == 3
    assert used_in(calls, now=NOON, window=DAY) == 5
    assert used_in((), now=NOON, window=HOUR) == 0


# The wait


@pytest.mark.parametrize(
    ("ahead", "seconds"),
    [
        (timedelta(seconds=42), 42),
        (timedelta(seconds=41, microseconds=1), 42),
        (timedelta(seconds=41, microseconds=999_999), 42),
        (MICROSECOND, 1),
        (NO_TIME, 1),
        (-HOUR, 1),
        (DAY, 86_400),
        (timedelta(days=9_000) + MICROSECOND, 777_600_001),
    ],
)
def test_a_wait_is_in_whole_seconds_rounded_up_and_at_least_one(ahead: timedelta, seconds: int) -> None:
    assert seconds_to_wait(NOON + ahead, NOON) == seconds


@given(st.timedeltas(min_value=MICROSECOND, max_value=timedelta(days=400)))
def test_a_call_after_the_named_wait_is_not_refused(ahead: timedelta) -> None:
    wait = timedelta(seconds=seconds_to_wait(NOON + ahead, NOON))

    assert ahead <= wait < ahead + timedelta(seconds=1)


# Zones and summer time


def test_an_hour_has_sixty_minutes_when_clocks_change() -> None:
    paris = ZoneInfo("Europe/Paris")
    before = datetime(2026, 10, 25, 2, 30, tzinfo=paris)  # an hour later it is 2:30 again
    policy = Policy(cooldown=HOUR, per_hour=5, per_day=20)

    limit = current_limit(policy, (before,), held_until=None)

    assert limit == Limit(Rule.COOLDOWN, datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    assert seconds_to_wait(before.replace(hour=4), before) == 3 * 3600
    assert limit_at(policy, (before,), now=before.replace(fold=1), held_until=None) is None


def test_moments_of_different_time_zones_are_ordered_by_time() -> None:
    in_lagos = NOON.astimezone(timezone(HOUR))

    assert with_call((in_lagos,), NOON + MINUTE) == (NOON + MINUTE, NOON)
    assert without_call((in_lagos,), NOON) == ()


# Compared with a brute-force count

EDGES = [base + edge for base in (NO_TIME, MINUTE, HOUR, DAY) for edge in (-MICROSECOND, NO_TIME, MICROSECOND)]
STEPS = st.one_of(
    st.sampled_from([edge for edge in EDGES if edge >= NO_TIME]),
    st.integers(0, 40).map(lambda n: n * MINUTE),
    st.integers(0, 30).map(lambda n: n * HOUR),
)
STEPS_BACK = st.one_of(STEPS, STEPS.map(lambda step: -step))
POLICIES = st.builds(
    Policy,
    cooldown=st.sampled_from([NO_TIME, MICROSECOND, MINUTE, 2 * HOUR]),
    per_hour=st.integers(1, 4),
    per_day=st.integers(1, 6),
)


def is_slot_free(policy: Policy, history: Sequence[datetime], now: datetime) -> bool:
    """The oracle: compute the limits from the definition, over all calls."""
    rested = all(call + policy.cooldown <= now for call in history)
    of_the_hour = [call for call in history if now - HOUR < call]
    of_the_day = [call for call in history if now - DAY < call]
    return rested and len(of_the_hour) < policy.per_hour and len(of_the_day) < policy.per_day


def most_in_any(window: timedelta, history: Sequence[datetime]) -> int:
    """Return the largest number of calls in a window of that length. A fullest window begins with a call."""
    return max((sum(start <= call < start + window for call in history) for start in history), default=0)


@settings(max_examples=400)
@given(policy=POLICIES, steps=st.lists(STEPS, max_size=60))
def test_a_call_is_refused_exactly_if_no_slot_is_free(policy: Policy, steps: list[timedelta]) -> None:
    now, calls, history = NOON, (), []  # type: datetime, tuple[datetime, ...], list[datetime]
    for step in steps:
        now += step
        refused = limit_at(policy, calls, now=now, held_until=None)

        assert (refused is None) == is_slot_free(policy, history, now)
        if refused is None:
            calls = with_call(calls, now)
            history.append(now)

    assert most_in_any(HOUR, history) <= policy.per_hour
    assert most_in_any(DAY, history) <= policy.per_day


@settings(max_examples=300)
@given(policy=POLICIES, steps=st.lists(STEPS, max_size=40), last=STEPS)
def test_the_wait_is_exact(policy: Policy, steps: list[timedelta], last: timedelta) -> None:
    now, calls = NOON, ()  # type: datetime, tuple[datetime, ...]
    for step in steps:
        now += step
        if limit_at(policy, calls, now=now, held_until=None) is None:
            calls = with_call(calls, now)

    limit = limit_at(policy, calls, now=now + last, held_until=None)

    if limit is not None:
        assert is_slot_free(policy, calls, limit.until)
        assert not is_slot_free(policy, calls, limit.until - MICROSECOND)


@settings(max_examples=300)
@given(turns=st.lists(st.tuples(POLICIES, STEPS), max_size=60))
def test_a_changed_policy_takes_effect_at_once(turns: list[tuple[Policy, timedelta]]) -> None:
    now, calls, history = NOON, (), []  # type: datetime, tuple[datetime, ...], list[datetime]
    for policy, step in turns:
        now += step
        refused = limit_at(policy, calls, now=now, held_until=None)

        assert (refused is None) == is_slot_free(policy, history, now)
        if refused is None:
            calls = with_call(calls, now)
            history.append(now)


@settings(max_examples=400)
@given(policy=POLICIES, steps=st.lists(STEPS_BACK, max_size=60))
@example(policy=Policy(NO_TIME, per_hour=2, per_day=2), steps=[NO_TIME, NO_TIME, 2 * DAY, -2 * DAY, NO_TIME])
@example(policy=Policy(NO_TIME, per_hour=1, per_day=6), steps=[HOUR, -MINUTE, MINUTE])
def test_a_clock_that_steps_back_never_overfills_a_window(policy: Policy, steps: list[timedelta]) -> None:
    now, calls, history = NOON, (), []  # type: datetime, tuple[datetime, ...], list[datetime]
    for step in steps:
        now += step
        if limit_at(policy, calls, now=now, held_until=None) is None:
            calls = with_call(calls, now)
            history.append(now)

    assert most_in_any(HOUR, history) <= policy.per_hour
    assert most_in_any(DAY, history) <= policy.per_day


@settings(max_examples=300)
@given(policy=POLICIES, turns=st.lists(st.tuples(STEPS, st.booleans()), max_size=60))
def test_a_call_that_does_not_count_leaves_its_slot_free(policy: Policy, turns: list[tuple[timedelta, bool]]) -> None:
    now, calls, history = NOON, (), []  # type: datetime, tuple[datetime, ...], list[datetime]
    for step, counts in turns:
        now += step
        refused = limit_at(policy, calls, now=now, held_until=None)

        assert (refused is None) == is_slot_free(policy, history, now)
        if refused is None:
            claimed = with_call(calls, now)
            calls = claimed if counts else without_call(claimed, now)
            history += [now] if counts else []


@given(policy=POLICIES, ages=st.lists(STEPS, max_size=20), held=st.none() | STEPS_BACK)
def test_a_hold_never_shortens_the_wait(policy: Policy, ages: list[timedelta], held: timedelta | None) -> None:
    calls = tuple(sorted((NOON - age for age in ages), reverse=True))
    held_until = None if held is None else NOON + held

    without = current_limit(policy, calls, held_until=None)
    limit = current_limit(policy, calls, held_until=held_until)

    ends = [moment for moment in (without and without.until, held_until) if moment]
    assert (limit and limit.until) == max(ends, default=None)


@given(ages=st.lists(STEPS, max_size=30), window=st.sampled_from([HOUR, DAY]))
def test_used_equals_a_count_by_hand(ages: list[timedelta], window: timedelta) -> None:
    calls = tuple(sorted((NOON - age for age in ages), reverse=True))

    assert used_in(calls, now=NOON, window=window) == sum(age < window for age in ages)


# Windows after a slow answer


@pytest.mark.parametrize(("seconds", "counts"), [(0, 0), (1, 0), (1.000001, 1.000001), (6, 6), (30, 30), (-5, 0)])
def test_a_call_counts_from_its_answer_if_that_took_more_than_a_second(seconds: float, counts: float) -> None:
    answered_at = NOON + timedelta(seconds=seconds)

    assert counts_from(NOON, answered_at) == NOON + timedelta(seconds=counts)


@given(
    policy=POLICIES,
    calls=st.lists(st.tuples(STEPS, st.integers(0, 30), st.floats(0, 1)), max_size=30),
)
def test_our_windows_end_at_most_a_second_before_telrois(
    policy: Policy, calls: list[tuple[timedelta, int, float]]
) -> None:
    """Telroi creates its row at any moment between our claim and its answer."""
    ours, theirs, now = (), (), NOON  # type: tuple[datetime, ...], tuple[datetime, ...], datetime
    for step, seconds, share in calls:
        asked_at = now + step
        now = asked_at + timedelta(seconds=seconds)
        ours = with_call(ours, counts_from(asked_at, now))
        theirs = with_call(theirs, asked_at + share * timedelta(seconds=seconds))

    our_end = current_limit(policy, ours, held_until=None)
    their_end = current_limit(policy, theirs, held_until=None)

    assert (our_end is None) == (their_end is None)
    assert our_end is None or their_end is None or our_end.until >= their_end.until - SLOW_ANSWER


# Waits from Telroi's refusals


@pytest.mark.parametrize("seconds", [1, 59, 60, 3599, 3601, 86_399])
def test_a_wait_that_is_not_a_whole_window_is_used(seconds: int) -> None:
    wait = timedelta(seconds=seconds)

    assert hold_after(STOCK, (), now=NOON, wait=wait, last=None) == Hold(NOON, NOON + wait)


@pytest.mark.parametrize("wait", [HOUR, DAY])
def test_a_wait_of_a_whole_window_is_used_for_a_minute_if_our_limits_allow_a_call(wait: timedelta) -> None:
    calls = minutes_ago(5, 20, 30, 50, 60)

    assert hold_after(STOCK, calls, now=NOON, wait=wait, last=None).until == NOON + SHORTEST_FLAT_HOLD


def test_a_wait_of_a_whole_window_is_used_until_our_limits_allow_a_call() -> None:
    calls = minutes_ago(5, 20, 30, 50, 55)

    assert hold_after(STOCK, calls, now=NOON, wait=HOUR, last=None).until == NOON + 5 * MINUTE + SPARE


def test_it_is_never_longer_than_telroi_says() -> None:
    calls = minutes_ago(*range(20))

    assert hold_after(STOCK, calls, now=NOON, wait=HOUR, last=None).until == NOON + HOUR


def test_it_doubles_while_telroi_repeats_it_up_to_what_telroi_says() -> None:
    now, last, lengths = NOON, None, []  # type: datetime, Hold | None, list[int]
    for _ in range(9):
        last = hold_after(STOCK, minutes_ago(90), now=now, wait=HOUR, last=last)
        lengths.append(round((last.until - last.since) / MINUTE))
        now = last.until

    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_starts_again_after_a_call_that_telroi_accepted() -> None:
    last = Hold(NOON - 10 * MINUTE, NOON - 2 * MINUTE)

    assert hold_after(STOCK, minutes_ago(1), now=NOON, wait=HOUR, last=last).until == NOON + SHORTEST_FLAT_HOLD
    assert hold_after(STOCK, minutes_ago(11), now=NOON, wait=HOUR, last=last).until == NOON + 16 * MINUTE


def test_it_starts_again_after_a_pause_as_long_as_telrois_wait() -> None:
    last = Hold(NOON - 90 * MINUTE, NOON - HOUR)

    assert hold_after(STOCK, (), now=NOON, wait=HOUR, last=last).until == NOON + SHORTEST_FLAT_HOLD
    assert hold_after(STOCK, (), now=NOON, wait=DAY, last=last).until == NOON + HOUR


@given(
    policy=POLICIES,
    ages=st.lists(STEPS, max_size=20),
    seconds=st.sampled_from([1, 60, 3600, 86_400]) | st.integers(1, 86_400),
    last=st.none() | st.tuples(STEPS_BACK, STEPS),
)
def test_a_hold_starts_now_and_is_never_longer_than_telroi_says(
    policy: Policy, ages: list[timedelta], seconds: int, last: tuple[timedelta, timedelta] | None
) -> None:
    calls = tuple(sorted((NOON - age for age in ages), reverse=True))
    before = None if last is None else Hold(NOON - last[0], NOON - last[0] + last[1])
    wait = timedelta(seconds=seconds)

    hold = hold_after(policy, calls, now=NOON, wait=wait, last=before)

    assert hold.since == NOON
    assert NOON + min(wait, SHORTEST_FLAT_HOLD) <= hold.until <= NOON + wait
