"""The ceiling of the whole site: how many calls it may place in one UTC day, exact under any number of racers."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Case, F, Q, Value, When

from django_telroi import conf
from django_telroi.domain.policy import seconds_to_wait
from django_telroi.errors import SiteLimitReached
from django_telroi.models import CallControl
from django_telroi.services.pauses import control_row
from django_telroi.services.state import State


def prepare_count(state: State, *, using: str) -> None:
    """Make the row that counts, where there is none.

    Before the transaction that counts: on MariaDB, those who insert a row and then update it wait for each other.
    """
    if conf.calls_per_day_total() and state.control._state.adding:
        control_row(using)


def refuse_full_day(state: State) -> None:
    """Raise SiteLimitReached where the count that was read says so: it is cheaper than a claim that is rolled back."""
    total, day = conf.calls_per_day_total(), state.control.day
    if total is not None and day is not None and day >= day_of(state.now) and state.control.day_calls >= total:
        raise _refusal(state)


def count_for_the_day(state: State, *, using: str) -> None:
    """Count one call more, where the site has a ceiling. Raises SiteLimitReached."""
    total = conf.calls_per_day_total()
    if total is None:
        return
    today = day_of(state.now)
    # A clock that steps back over midnight does not begin the day before anew.
    is_counting = Q(day__gte=today)
    row = CallControl.objects.using(using).filter(pk=CallControl.ONLY)
    has_room = row.filter(Q(day_calls__lt=total) | ~is_counting) if total else row.none()
    counted = has_room.update(
        day_calls=Case(When(is_counting, then=F("day_calls") + 1), default=Value(1)),
        day=Case(When(is_counting, then=F("day")), default=Value(today)),
    )
    if not counted:
        raise _refusal(state)


def return_to_site(moment: datetime, *, using: str) -> None:
    """Take back what was counted for the day of a call that turned out not to count."""
    if conf.calls_per_day_total() is not None:
        counted = CallControl.objects.using(using).filter(pk=CallControl.ONLY, day=day_of(moment), day_calls__gt=0)
        counted.update(day_calls=F("day_calls") - 1)


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _refusal(state: State) -> SiteLimitReached:
    tomorrow = datetime.combine(day_of(state.now) + timedelta(days=1), time.min, tzinfo=UTC)
    return SiteLimitReached(seconds_to_wait(tomorrow, state.now))
