"""The recipe of quiet hours, also in the nights of a change to and from summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from django_telroi import services
from django_telroi.errors import DestinationPaused
from django_telroi.testing import outbox
from tests.project.test_howto import blocks_of

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type, misc]


@pytest.fixture
def recipe() -> dict[str, Any]:
    found: dict[str, Any] = {}
    (source,) = [block for block in blocks_of("recipes.rst", "python") if "seconds_of_quiet" in block]
    exec(source, found)
    return found


@pytest.mark.parametrize(
    ("local", "hours"),
    [
        (berlin(2026, 6, 10, 20, 59, 59), 0),
        (berlin(2026, 6, 10, 21, 0), 11),
        (berlin(2026, 6, 11, 7, 59, 59), 1 / 3600),
        (berlin(2026, 6, 11, 8, 0), 0),
        # To summer time on 29 March 2026 at 02:00: this night is an hour shorter.
        (berlin(2026, 3, 28, 22, 0), 9),
        (berlin(2026, 3, 29, 1, 30), 5.5),
        (berlin(2026, 3, 29, 3, 30), 4.5),
        (berlin(2026, 3, 29, 8, 0), 0),
        # From summer time on 25 October 2026 at 03:00: this night is an hour longer.
        (berlin(2026, 10, 24, 22, 0), 11),
        (berlin(2026, 10, 25, 2, 30, fold=0), 6.5),
        (berlin(2026, 10, 25, 2, 30, fold=1), 5.5),
        (berlin(2026, 10, 25, 8, 0), 0),
    ],
    ids=str,
)
def test_the_wait_ends_at_eight_by_the_local_clock(recipe: dict[str, Any], local: datetime, hours: float) -> None:
    now = local.astimezone(UTC)

    seconds = recipe["seconds_of_quiet"]("DE", now)

    assert seconds == round(hours * 3600)
    end = (now + timedelta(seconds=seconds)).astimezone(BERLIN)
    assert not seconds or (end.hour, end.minute, end.second) == (8, 0, 0)


def test_each_region_has_its_clock(recipe: dict[str, Any]) -> None:
    now = datetime(2026, 6, 10, 20, 30, tzinfo=UTC)

    quiet = {region: bool(recipe["seconds_of_quiet"](region, now)) for region in ("NG", "DE", "US", "JP")}

    assert quiet == {"NG": True, "DE": True, "US": False, "JP": False}


@pytest.mark.django_db
def test_a_call_at_night_is_refused_with_its_wait(
    recipe: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.clear()
    settings.TELROI = {"MAY_START": f"{__name__}.may_start"}
    monkeypatch.setitem(globals(), "may_start", recipe["may_start"])
    for hour, is_called in ((3, False), (12, True)):

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None, hour: int = hour) -> datetime:
                return datetime(2026, 6, 10, hour, tzinfo=UTC)

        recipe["datetime"] = Clock
        if is_called:
            services.start_verification("+2348031234567")
        else:
            with pytest.raises(DestinationPaused) as refused:
                services.start_verification("+2348031234567")
            assert refused.value.retry_after == 4 * 3600
        assert len(outbox) == int(is_called)
