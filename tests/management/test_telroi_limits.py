"""``telroi_limits``: the limits, the settings they come from, and the state of one number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_telroi import conf, services
from django_telroi.backends import get_backend, key_of
from django_telroi.management.limits import LIMITS
from django_telroi.models import PhoneNumber
from django_telroi.services.shared.site_control import PauseReason, pause_calls
from tests.calling_site import Configure
from tests.manual_clocks import SiteClock, hold_site_clock

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


@pytest.fixture
def site_clock(monkeypatch: pytest.MonkeyPatch) -> SiteClock:
    return hold_site_clock(monkeypatch)


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

    assert lines["can be called"] == "no (not_callable)"
    assert (lines["limited by"], lines["next call"]) == ("the line type or prefix", "never with these settings")


def test_a_region_of_the_settings_that_is_not_called_is_the_limit(configure: Configure) -> None:
    configure(BLOCKED_REGIONS=["NG"])

    assert why(NUMBER) == ("no (region_not_allowed)", "the region", "never with these settings")


def block_by_staff() -> None:
    services.start_verification(NUMBER)
    services.block_number(NUMBER, reason="ring-bombing", actor="ada")


def block_by_owner() -> None:
    services.block_for_owner(NUMBER)


def block_by_both() -> None:
    services.block_number(NUMBER, reason="ring-bombing", actor="ada")
    services.block_for_owner(NUMBER)


UNBLOCKED = "after the number is unblocked"


@pytest.mark.parametrize(
    ("bar", "expected"),
    [
        (block_by_staff, ("no (not_callable)", "a block of the number by staff", UNBLOCKED)),
        (
            block_by_owner,
            ("no (not_callable)", "a block of the number by its owner", UNBLOCKED),
        ),
        (block_by_both, ("no (not_callable)", "a block of the number by staff and by its owner", UNBLOCKED)),
        (
            lambda: services.block_destination("+2348031", reason="fraud", actor="ada"),
            ("no (not_callable)", "a block of +2348031", "after +2348031 is unblocked"),
        ),
        (
            lambda: services.block_destination("NG", reason="fraud", actor="ada"),
            ("no (region_not_allowed)", "a block of NG", "after NG is unblocked"),
        ),
        (
            lambda: services.stop_calls(reason="an attack", actor="ada"),
            ("no (calls_stopped)", "a stop of all calls by staff", "after staff resume the calls"),
        ),
    ],
)
def test_a_block_without_an_end_is_the_limit(bar: Callable[[], object], expected: tuple[str, ...]) -> None:
    bar()

    assert why(NUMBER) == expected


def test_a_pause_of_a_destination_is_the_limit(site_clock: SiteClock) -> None:
    services.block_destination("+2348031", reason="fraud", actor="ada", length=timedelta(hours=2))

    called, limited_by, next_call = why(NUMBER)

    assert (called, limited_by) == ("no (destination_paused)", "a block of +2348031")
    assert next_call == "in 7200 s"


@pytest.mark.parametrize(
    ("reason", "code"), [(PauseReason.MISCONFIGURED, "misconfigured"), (PauseReason.KEY_LIMITED, "unavailable")]
)
def test_a_pause_of_the_key_is_the_limit(site_clock: SiteClock, reason: PauseReason, code: str) -> None:
    until = site_clock.now + timedelta(seconds=50)
    pause_calls(reason, until=until, key=key_of(get_backend()), using="default")

    called, limited_by, next_call = why(NUMBER)

    assert (called, limited_by) == (f"no ({code})", f"a pause of all calls: {reason}")
    assert next_call == "in 50 s"


def test_of_several_limits_the_one_that_lasts_longest_applies(site_clock: SiteClock) -> None:
    until = site_clock.now + timedelta(seconds=5)
    pause_calls(PauseReason.KEY_LIMITED, until=until, key=key_of(get_backend()), using="default")
    PhoneNumber.objects.create(number=NUMBER, last4="4567", held_until=site_clock.now + timedelta(seconds=500))

    called, limited_by, next_call = why(NUMBER)

    assert (called, limited_by) == ("no (unavailable)", "held")
    assert next_call == "in 500 s"


def test_a_site_without_a_key_calls_no_number(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)
    configure(BACKEND=conf.TELROI_BACKEND, BASE_URL="http://127.0.0.1:1")

    assert why(NUMBER) == ("no (misconfigured)", "the API key", "after the API key is set")


def test_a_full_day_is_the_limit(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=1)
    services.start_verification("+2348031230001")

    called, limited_by, next_call = why(NUMBER)

    assert (called, limited_by) == ("no (site_limit)", "CALLS_PER_DAY_TOTAL")
    assert next_call.startswith("in ")


def test_a_day_without_calls_is_the_limit_from_the_first_call_on(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=0)

    assert why(NUMBER)[:2] == ("no (site_limit)", "CALLS_PER_DAY_TOTAL")


def test_wrong_codes_of_the_number_stop_calls_without_a_user() -> None:
    PhoneNumber.objects.create(number=NUMBER, last4="4567", wrong_codes=100, last_wrong_code_at=timezone.now())

    lines = dict(line for line in told(NUMBER) if len(line) == 2)

    assert (lines["can be called"], lines["next call"]) == ("yes", "now")
    assert int(lines["next call without a user"].split()[1]) > 80_000


def why(number: str) -> tuple[str, str, str]:
    lines = dict(line for line in told(number) if len(line) == 2)
    return lines["can be called"], lines["limited by"], lines["next call"]


def test_an_invalid_number_is_refused() -> None:
    out = StringIO()

    with pytest.raises(CommandError, match="not a phone number"):
        call_command("telroi_limits", "hello", stdout=out)

    assert out.getvalue() == ""


def test_an_empty_number_is_refused() -> None:
    with pytest.raises(CommandError, match="not a phone number"):
        told("")


@pytest.mark.parametrize("spelling", ["+999123456789", "+999 123 456 789"])
def test_a_number_that_is_no_longer_valid_is_found_by_its_row(spelling: str) -> None:
    PhoneNumber.objects.create(number="+999123456789", last4="6789", blocked_at=timezone.now(), blocked_reason="fraud")

    lines = dict(line[:2] for line in told(spelling) if len(line) == 2)

    assert (lines["blocked"], lines["can be called"]) == ("fraud", "no (not_callable)")
