"""``telroi_limits``: the limits, the settings they come from, and the state of one number."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_telroi import conf, services
from django_telroi.management.limits import LIMITS
from django_telroi.models import PhoneNumber
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


def told(*args: str) -> list[list[str]]:
    """Return the lines, split at two or more spaces."""
    out = StringIO()
    call_command("telroi_limits", *args, stdout=out)
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in out.getvalue().splitlines()]


def test_each_limit_is_named_with_its_value_and_source(configure: Configure) -> None:
    configure(CALLS_PER_HOUR=3, ALLOWED_REGIONS=["NG", "GH"])

    lines = {line[0]: line[1:3] for line in told()}

    assert lines["CALLS_PER_HOUR"] == ["3", "settings"]
    assert lines["COOLDOWN_SECONDS"] == ["60", "default"]
    assert lines["ALLOWED_REGIONS"] == ["NG, GH", "settings"]
    assert lines["CALLS_PER_DAY_TOTAL"] == ["no limit", "default"]
    assert lines["RATES start ip"] == ["20 in 3600 s", "default"]
    assert lines["TRUSTED_PROXIES"] == ["not set", "default"]


def test_each_rate_is_named_with_its_own_source(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "30/h"}, "check": {"user": None}})

    lines = {line[0].removeprefix("RATES "): line[1:3] for line in told() if line[0].startswith("RATES")}

    assert lines == {
        "start ip": ["30 in 3600 s", "settings"],
        "start ipv6_56": ["120 in 3600 s", "default"],
        "start ipv6_48": ["480 in 3600 s", "default"],
        "start user": ["10 in 3600 s", "default"],
        "check ip": ["60 in 3600 s", "default"],
        "check ipv6_56": ["240 in 3600 s", "default"],
        "check ipv6_48": ["960 in 3600 s", "default"],
        "check user": ["no limit", "settings"],
    }


@pytest.mark.parametrize("rates", [None, {"start": None, "check": None}])
def test_rates_that_are_switched_off_together_are_from_the_settings(
    configure: Configure, rates: dict[str, None] | None
) -> None:
    configure(RATES=rates)

    lines = [line[1:3] for line in told() if line[0].startswith("RATES")]

    assert lines == [["no limit", "settings"]] * 8


def test_every_limit_is_a_setting() -> None:
    assert {key for key, *_ in LIMITS} <= conf.DEFAULTS.keys()


def test_a_number_that_was_called_shows_its_wait(configure: Configure) -> None:
    services.start_verification(NUMBER)

    lines = dict(line for line in told(NUMBER) if len(line) == 2)

    assert (lines["number"], lines["can be called"]) == ("+234 803 ••• 4567", "yes")
    assert (lines["calls in the last hour"], lines["limited by"]) == ("1 of 5", "cooldown")
    assert lines["next call"].startswith("in ")


def test_a_number_shows_the_wait_of_a_stranger_if_calls_are_reserved(configure: Configure) -> None:
    configure(COOLDOWN_SECONDS=0, STRANGER_CALLS_PER_HOUR=1)
    services.start_verification(NUMBER)

    lines = dict(line for line in told(NUMBER) if len(line) == 2)

    assert lines["next call"] == "now"
    assert int(lines["next call for a stranger"].split()[1]) > 3000


def test_a_blocked_number_shows_its_reason(configure: Configure) -> None:
    services.block_number(NUMBER, reason="ring-bombing", actor="ada")
    services.stop_calls(reason="an attack", actor="ada")

    lines = dict(line for line in told(NUMBER) if len(line) == 2)

    assert (lines["blocked"], lines["all calls"]) == ("ring-bombing", "stopped by staff")


def test_a_number_that_is_never_called_shows_the_reason(configure: Configure) -> None:
    lines = dict(line for line in told("+44 909 879 0000") if len(line) == 2)

    assert (lines["can be called"], lines["next call"]) == ("no (not_callable)", "now")


def test_an_invalid_number_is_refused() -> None:
    with pytest.raises(CommandError, match="not a phone number"):
        told("hello")


@pytest.mark.parametrize("spelling", ["+999123456789", "+999 123 456 789"])
def test_a_number_that_is_no_longer_valid_is_found_by_its_row(spelling: str) -> None:
    PhoneNumber.objects.create(number="+999123456789", last4="6789", blocked_at=timezone.now(), blocked_reason="fraud")

    lines = dict(line[:2] for line in told(spelling) if len(line) == 2)

    assert (lines["blocked"], lines["can be called"]) == ("fraud", "no (not_callable)")
