"""The start of a verification: the refusals, and what is written otherwise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.utils import timezone, translation

from django_telroi import services
from django_telroi.client import OtpCall, TelroiClient
from django_telroi.errors import (
    AttemptNotFound,
    CooldownActive,
    InvalidNumber,
    InvalidPurpose,
    Misconfigured,
    SiteLimitReached,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import CallControl, PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import SiteClock
from tests.services.world import (
    CLAIM_ENDS_AFTER,
    NUMBER,
    OTHER_NUMBER,
    Heard,
    database_gone,
    let_time_pass,
    moments,
    row_counts,
    sends,
    statements,
)

pytestmark = pytest.mark.django_db

Arrange = Callable[[Simulator, Configure], None]

NO_NUMBERS = [
    "",
    " ",
    "+",
    "12",
    "112",
    "911",
    "+234112",
    "0803 123 4567",
    "+0000000000",
    "+99912345678",
    "+23480312345678901234567890",
    "call me",
    "+1-800-FLOWERS",
    "+2348031234567 ext. 5",
    "+2348031234567;ext=5",
    "tel:+2348031234567;ext=5",
    "+4930123456789012",
    "+2348031234567\n",
    "+2348031234567\x00",
    "\u202e+2348031234567",
    "+23480312\u0663\u0664\u0665\u0666\u0667",
    "+" + "1" * 10**6,
    "\ud800",
]
LINE = "refused code={code} region={region} retry_after={wait}"


def rung(times: int, *, every: int) -> Arrange:
    """Return a situation: the number was called this many times, the last time 61 seconds ago."""

    def arrange(telroi: Simulator, configure: Configure) -> None:
        telroi.set_policy(cooldown=0, per_hour=1000, per_day=1000)
        configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=1000, CALLS_PER_DAY=1000)
        services.start_verification(NUMBER)
        phone, now = PhoneNumber.objects.get(), datetime.now(UTC) - timedelta(seconds=61)
        phone.moments = [now - timedelta(seconds=every * n) for n in range(times)]
        phone.save()
        configure(COOLDOWN_SECONDS=60, CALLS_PER_HOUR=5, CALLS_PER_DAY=20)
        telroi.reset()
        VerificationAttempt.objects.all().delete()

    return arrange


def just_rung(telroi: Simulator, configure: Configure) -> None:
    rung(1, every=0)(telroi, configure)
    phone = PhoneNumber.objects.get()
    phone.moments = [datetime.now(UTC) - timedelta(seconds=1)]
    phone.save()


def held(telroi: Simulator, configure: Configure) -> None:
    PhoneNumber.objects.create(number=NUMBER, last4="4567", held_until=datetime.now(UTC) + timedelta(seconds=500))


def blocked(telroi: Simulator, configure: Configure) -> None:
    """The number is also limited in every other way, and the refusal does not show it."""
    just_rung(telroi, configure)
    services.block_number(NUMBER, reason="asked us to", actor="grace")
    services.stop_calls(reason="a test", actor="grace")


def stopped(telroi: Simulator, configure: Configure) -> None:
    services.stop_calls(reason="a test", actor="grace")


def failed_with(fault: str) -> Arrange:
    def arrange(telroi: Simulator, configure: Configure) -> None:
        telroi.fail_next(fault)
        services.start_verification(OTHER_NUMBER)
        telroi.reset()
        VerificationAttempt.objects.all().delete()

    return arrange


def with_settings(**keys: Any) -> Arrange:
    def arrange(telroi: Simulator, configure: Configure) -> None:
        configure(**keys)

    return arrange


def with_test_key(telroi: Simulator, configure: Configure) -> None:
    configure(API_KEY=telroi.test_key)


@dataclass(frozen=True)
class Refusal:
    """The expected answer of a face. ``wait`` is in seconds. Up to two seconds less are accepted, 0 means no wait."""

    code: str
    status: int
    wait: int = 0
    region: str = "NG"
    number: str = NUMBER
    wish: dict[str, Any] = field(default_factory=dict)


REFUSALS: dict[str, tuple[Arrange, Refusal]] = {
    "no number": (with_settings(), Refusal("invalid_number", 400, region="", number="12345")),
    "a premium number": (with_settings(), Refusal("not_callable", 400, region="GB", number="+449098790000")),
    "a satellite": (with_settings(), Refusal("not_callable", 400, region="", number="+870773111632")),
    "a blocked prefix": (with_settings(BLOCKED_PREFIXES=["234 803"]), Refusal("not_callable", 400)),
    "a line type not chosen": (with_settings(ALLOWED_LINE_TYPES=["fixed_line"]), Refusal("not_callable", 400)),
    "a region not allowed": (with_settings(ALLOWED_REGIONS=["GB", "gh"]), Refusal("region_not_allowed", 400)),
    "a region blocked": (with_settings(BLOCKED_REGIONS=["ng"]), Refusal("region_not_allowed", 400)),
    "a purpose too long": (with_settings(), Refusal("invalid_purpose", 400, wish={"purpose": "p" * 65})),
    "a purpose in two lines": (with_settings(), Refusal("invalid_purpose", 400, wish={"purpose": "a\nb"})),
    "a purpose with half a pair": (with_settings(), Refusal("invalid_purpose", 400, wish={"purpose": "\ud800"})),
    "blocked by staff": (blocked, Refusal("not_callable", 400)),
    "all calls stopped": (stopped, Refusal("calls_stopped", 503)),
    "no key": (with_settings(API_KEY=""), Refusal("misconfigured", 503)),
    "a key for no header": (with_settings(API_KEY="tlr_live_ä"), Refusal("misconfigured", 503)),
    "a test key not allowed": (with_test_key, Refusal("misconfigured", 503)),
    "no such backend": (with_settings(BACKEND="nobody.Knows"), Refusal("misconfigured", 503)),
    "a refused key": (failed_with("unauthorized"), Refusal("misconfigured", 503, wait=60)),
    "a key over its budget": (failed_with("key_limited"), Refusal("unavailable", 503, wait=56)),
    "cooling down": (just_rung, Refusal("cooldown", 429, wait=60)),
    "an hour full": (rung(5, every=62), Refusal("hourly_limit", 429, wait=3600 - 61 - 4 * 62)),
    "a day full": (rung(20, every=1200), Refusal("daily_limit", 429, wait=86400 - 61 - 19 * 1200)),
    "held by Telroi": (held, Refusal("held", 429, wait=500)),
    "a day of the site without calls": (with_settings(CALLS_PER_DAY_TOTAL=0), Refusal("site_limit", 503, wait=-1)),
}


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)


@pytest.mark.parametrize(("arrange", "refusal"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_has_a_reason_and_a_wait_and_does_not_count(
    telroi: Simulator,
    configure: Configure,
    heard: Heard,
    caplog: pytest.LogCaptureFixture,
    arrange: Arrange,
    refusal: Refusal,
) -> None:
    arrange(telroi, configure)
    telroi.reset()
    heard.names  # noqa: B018 - what was sent for the arrangement
    heard.told.clear()
    caplog.clear()
    before = row_counts()

    with caplog.at_level(logging.INFO, "django_telroi"), pytest.raises(VerificationRefused) as refused:
        services.start_verification(refusal.number, **refusal.wish)

    error = refused.value
    assert (error.code, error.http_status) == (refusal.code, refusal.status)
    assert is_as_long_as(error.retry_after, refusal.wait)
    assert telroi.requests == []
    # Without a wait it is not a pause, whose alert was sent before.
    alerts = ["alert"] if (error.code, error.retry_after) == ("misconfigured", None) else []
    assert row_counts() == {**before, "RefusalTally": 1, **({"AttemptEvent": 1} if alerts else {})}
    [tally] = RefusalTally.objects.all()
    assert (tally.code, tally.region, tally.count) == (refusal.code, refusal.region, 1)
    *alerted, (name, told) = heard.told
    assert [each for each, _ in alerted] == alerts
    assert (name, told["code"], told["retry_after"]) == ("verification_refused", refusal.code, error.retry_after)
    assert refusal.number[4:] not in str(told)
    last = caplog.messages[-1]
    assert last == LINE.format(code=refusal.code, region=refusal.region, wait=error.retry_after)


def is_as_long_as(wait: int | None, expected: int) -> bool:
    if expected == -1:
        return wait is not None and 1 <= wait <= 86400
    return wait is None if expected == 0 else wait is not None and expected - 5 <= wait <= expected


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: ascii(number)[:40])
def test_an_invalid_number_is_refused_before_other_reasons(telroi: Simulator, number: str) -> None:
    with statements() as seen, pytest.raises(InvalidNumber):
        services.start_verification(number)

    assert len(seen) == 1  # the count of refusals
    assert telroi.requests == []


@pytest.mark.parametrize(
    "spelling", ["+2348031234567", "+234 803 123 4567", "00234-803-123-4567", "(+234) 803/123.4567", " +234 8031234567"]
)
def test_every_spelling_of_a_number_is_the_same_number(telroi: Simulator, spelling: str) -> None:
    attempt = services.start_verification(spelling)

    assert (attempt.number, telroi.calls[0].to) == (NUMBER, NUMBER)
    with pytest.raises(CooldownActive):
        services.start_verification(NUMBER)


def test_a_national_number_belongs_to_the_default_region(telroi: Simulator, configure: Configure) -> None:
    configure(DEFAULT_REGION="ng")

    attempt = services.start_verification("0803 123 4567")

    assert (attempt.number, attempt.region) == (NUMBER, "NG")


def test_refusals_of_the_same_kind_are_counted_together(telroi: Simulator) -> None:
    services.start_verification(NUMBER)
    for number in (NUMBER, NUMBER, "x", NUMBER):
        with pytest.raises(VerificationRefused):
            services.start_verification(number)

    tallies = RefusalTally.objects.order_by("code").values_list("code", "region", "count")
    assert list(tallies) == [("cooldown", "NG", 3), ("invalid_number", "", 1)]
    assert {tally.hour.minute for tally in RefusalTally.objects.all()} == {0}


def test_a_refused_number_is_logged_masked(telroi: Simulator, heard: Heard) -> None:
    services.block_number(NUMBER, reason="", actor="grace")

    with pytest.raises(VerificationRefused):
        services.start_verification(NUMBER)

    assert heard.told[-1][1]["number"] == "+234 803 ••• 4567"


def test_a_new_call_creates_only_a_number_and_an_attempt(telroi: Simulator, ada: User) -> None:
    attempt = services.start_verification(NUMBER, user=ada, purpose="payout", requester_ip="203.0.113.7")

    attempt.refresh_from_db()
    phone = PhoneNumber.objects.get()
    assert row_counts() == {"PhoneNumber": 1, "VerificationAttempt": 1}
    assert (attempt.number, attempt.region, attempt.user, attempt.purpose) == (NUMBER, "NG", ada, "payout")
    assert (attempt.requester_ip, attempt.dispatch, attempt.tries, attempt.max_tries) == ("203.0.113.7", "inline", 0, 3)
    assert attempt.expires_at - attempt.created_at == timedelta(seconds=300)
    assert phone.moments == (attempt.created_at,) == (attempt.dialed_at,)
    assert (phone.last_call_at, phone.created_at) == (attempt.created_at, attempt.created_at)
    assert (phone.limited_by, phone.next_call_at - attempt.created_at) == ("cooldown", timedelta(seconds=60))
    assert (phone.last4, phone.region) == ("4567", "NG")


def test_a_known_number_keeps_its_row(telroi: Simulator) -> None:
    first = services.start_verification(NUMBER)
    let_time_pass(61, telroi)
    second = services.start_verification(NUMBER)

    phone = PhoneNumber.objects.get()
    assert phone.moments[0] == second.dialed_at
    assert len(phone.moments) == 2
    assert phone.created_at < second.dialed_at
    assert first.pk != second.pk


def test_a_start_sends_what_the_settings_say(telroi: Simulator, configure: Configure) -> None:
    configure(CODE_LENGTH=5, CODE_TRIES=2, CODE_TTL_SECONDS=90)

    attempt = services.start_verification(NUMBER, language="yo")

    assert (len(telroi.calls[0].code), telroi.calls[0].language, attempt.language) == (5, "yo", "yo")
    assert (attempt.max_tries, attempt.expires_at - attempt.dialed_at) == (2, timedelta(seconds=90))


@pytest.mark.parametrize(
    ("asked", "sites", "active", "spoken"),
    [
        ("yo", "ha", "fr", "yo"),
        ("en-NG", None, "fr", "en-NG"),
        (None, "ha", "fr", "ha"),
        ("", "ha", "fr", "ha"),
        (None, None, "fr", "fr"),
        (None, None, "pt-br", "pt-BR"),
        (None, None, "en-us", "en-US"),
        (None, None, "zh-hans", "zh-Hans"),
        (None, None, "zh-hant", "zh-Hant"),
        (None, None, "sr-latn", "sr-Latn"),
        (None, None, "es-419", "es-419"),
        ("ZH-hANS-cn", None, "fr", "zh-Hans-CN"),
        (None, "pt-br", "fr", "pt-BR"),
        (None, None, None, None),
        ("English, please", "ha", "fr", "ha"),
        ("x" * 36, "ha", "fr", "ha"),
        ("en\n", "ha", "fr", "ha"),
        ("e", None, "fr", None),
        ("عر", None, "fr", None),
    ],
)
def test_the_first_language_with_a_valid_code_is_sent(
    telroi: Simulator,
    configure: Configure,
    asked: str | None,
    sites: str | None,
    active: str | None,
    spoken: str | None,
) -> None:
    configure(LANGUAGE=sites)

    with translation.override(active):
        services.start_verification(NUMBER, language=asked)

    assert telroi.calls[0].language == spoken


@pytest.mark.parametrize(
    ("told", "stored"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:DB8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("", None),
        (None, None),
        ("unix:", None),
        ("203.0.113.7:443", None),
        ("203.0.113.7, 10.0.0.1", None),
        ("300.0.113.7", None),
        ("x" * 10**5, None),
        ("\x00", None),
    ],
)
def test_an_invalid_ip_address_is_not_stored(telroi: Simulator, told: str | None, stored: str | None) -> None:
    attempt = services.start_verification(NUMBER, requester_ip=told)

    attempt.refresh_from_db()
    assert attempt.requester_ip == stored


@pytest.mark.parametrize("purpose", ["", "payout", "p" * 64, "Überweisung 2", "支払い"])
def test_a_caller_of_services_may_use_any_printable_purpose(telroi: Simulator, purpose: str) -> None:
    attempt = services.start_verification(NUMBER, purpose=purpose)

    attempt.refresh_from_db()
    assert attempt.purpose == purpose


def test_an_anonymous_user_is_stored_as_none(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER, user=AnonymousUser())

    assert attempt.user_id is None


class TestARepeatWithTheSameId:
    """A repeat places no second call and creates no second attempt."""

    def test_returns_the_same_attempt_within_the_cooldown(self, telroi: Simulator, heard: Heard) -> None:
        uuid = uuid4()
        first = services.start_verification(NUMBER, attempt_uuid=uuid)

        second = services.start_verification("+234 803 123 4567", attempt_uuid=uuid)

        assert (first.uuid, second.pk, sends(telroi)) == (uuid, first.pk, 1)
        assert row_counts() == {"PhoneNumber": 1, "VerificationAttempt": 1}
        assert heard.names == ["call_placed"]

    def test_returns_the_same_attempt_after_the_cooldown(self, telroi: Simulator) -> None:
        uuid = uuid4()
        first = services.start_verification(NUMBER, attempt_uuid=uuid)
        let_time_pass(61, telroi)
        before = moments()

        second = services.start_verification(NUMBER, attempt_uuid=uuid)

        assert (second.pk, sends(telroi), moments()) == (first.pk, 1, before)

    @pytest.mark.parametrize("seconds", [0, 61])
    def test_does_not_count_twice_for_the_sites_limit(
        self, telroi: Simulator, configure: Configure, seconds: int
    ) -> None:
        configure(CALLS_PER_DAY_TOTAL=5)
        uuid = uuid4()
        for _ in range(2):
            services.start_verification(NUMBER, attempt_uuid=uuid)
            let_time_pass(seconds, telroi)

        assert CallControl.objects.get().day_calls == 1

    def test_returns_a_failed_attempt_too(self, telroi: Simulator) -> None:
        uuid = uuid4()
        telroi.fail_next("insufficient_funds")
        first = services.start_verification(NUMBER, attempt_uuid=uuid)

        second = services.start_verification(NUMBER, attempt_uuid=uuid)

        assert (second.pk, second.status, sends(telroi)) == (first.pk, "failed", 1)

    def test_returns_its_attempt_although_new_calls_are_refused(self, telroi: Simulator, configure: Configure) -> None:
        uuid = uuid4()
        first = services.start_verification(NUMBER, attempt_uuid=uuid)
        services.stop_calls(reason="", actor="grace")

        assert services.start_verification(NUMBER, attempt_uuid=uuid).pk == first.pk
        configure(API_KEY="")
        assert services.start_verification(NUMBER, attempt_uuid=uuid).pk == first.pk
        assert RefusalTally.objects.count() == 0

    @pytest.mark.parametrize("seconds", [0, 61])
    def test_for_another_number_finds_no_attempt(self, telroi: Simulator, seconds: int) -> None:
        uuid = uuid4()
        services.start_verification(NUMBER, attempt_uuid=uuid)
        services.start_verification(OTHER_NUMBER)
        let_time_pass(seconds, telroi)

        with pytest.raises(AttemptNotFound):
            services.start_verification(OTHER_NUMBER, attempt_uuid=uuid)

        assert (len(moments(OTHER_NUMBER)), sends(telroi)) == (1, 2)

    @pytest.mark.parametrize("seconds", [0, 61])
    def test_of_another_user_finds_no_attempt(self, telroi: Simulator, ada: User, ben: User, seconds: int) -> None:
        uuid = uuid4()
        services.start_verification(NUMBER, attempt_uuid=uuid, user=ada)
        let_time_pass(seconds, telroi)

        for stranger in (ben, None):
            with pytest.raises(AttemptNotFound):
                services.start_verification(NUMBER, attempt_uuid=uuid, user=stranger)

        assert sends(telroi) == 1

    def test_and_an_invalid_number_is_refused(self, telroi: Simulator) -> None:
        uuid = uuid4()
        services.start_verification(NUMBER, attempt_uuid=uuid)

        with pytest.raises(InvalidNumber):
            services.start_verification("x", attempt_uuid=uuid)


class TestTheDailyLimitOfTheSite:
    """``CALLS_PER_DAY_TOTAL`` is exact. The test clock is at noon, so no midnight is near."""

    @pytest.fixture(autouse=True)
    def _noon(self, site_clock: SiteClock) -> None:
        pass

    NUMBERS = ("+2348031234567", "+2348029876543", "+447400123456", "+233241234567")

    def test_refuses_calls_after_the_last_one_of_the_day(self, telroi: Simulator, configure: Configure) -> None:
        configure(CALLS_PER_DAY_TOTAL=2)
        for number in self.NUMBERS[:2]:
            services.start_verification(number)

        for number in self.NUMBERS[2:]:
            with pytest.raises(SiteLimitReached) as refused:
                services.start_verification(number)

        assert (sends(telroi), CallControl.objects.get().day_calls) == (2, 2)
        assert refused.value.retry_after == 12 * 3600
        assert PhoneNumber.objects.count() == 2

    def test_starts_again_with_the_next_day(
        self, telroi: Simulator, configure: Configure, site_clock: SiteClock
    ) -> None:
        configure(CALLS_PER_DAY_TOTAL=1)
        services.start_verification(NUMBER)
        yesterday = site_clock.now.date()
        site_clock.advance(12 * 3600)

        services.start_verification(OTHER_NUMBER)

        control = CallControl.objects.get()
        assert (control.day_calls, control.day) == (1, yesterday + timedelta(days=1))

    def test_does_not_start_again_when_the_clock_steps_back_over_midnight(
        self, telroi: Simulator, configure: Configure, site_clock: SiteClock
    ) -> None:
        configure(CALLS_PER_DAY_TOTAL=5)
        tomorrow = site_clock.now.date() + timedelta(days=1)
        CallControl.objects.create(pk=CallControl.DAY, day=tomorrow, day_calls=3)

        services.start_verification(NUMBER)

        control = CallControl.objects.get()
        assert (control.day, control.day_calls) == (tomorrow, 4)

    def test_can_be_raised_at_any_time(self, telroi: Simulator, configure: Configure) -> None:
        configure(CALLS_PER_DAY_TOTAL=1)
        services.start_verification(NUMBER)
        configure(CALLS_PER_DAY_TOTAL=2)

        assert services.start_verification(OTHER_NUMBER).status == "placed"

    def test_keeps_no_count_if_it_is_not_set(self, telroi: Simulator) -> None:
        services.start_verification(NUMBER)

        assert CallControl.objects.count() == 0

    def test_does_not_count_a_refused_call_of_a_limited_number(self, telroi: Simulator, configure: Configure) -> None:
        configure(CALLS_PER_DAY_TOTAL=5)
        services.start_verification(NUMBER)

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

        assert CallControl.objects.get().day_calls == 1


class TestLimits:
    """The state of a number and the current settings decide."""

    def test_belong_to_the_number_for_every_requester(self, telroi: Simulator, ada: User, ben: User) -> None:
        services.start_verification(NUMBER, user=ada, requester_ip="203.0.113.7")

        for user in (ada, ben, None):
            with pytest.raises(CooldownActive):
                services.start_verification(NUMBER, user=user, requester_ip="198.51.100.2")

    def test_follow_a_changed_setting_at_once(self, telroi: Simulator, configure: Configure) -> None:
        telroi.set_policy(cooldown=0)
        services.start_verification(NUMBER)
        configure(COOLDOWN_SECONDS=0)

        assert services.start_verification(NUMBER).status == "placed"

    def test_do_not_need_the_history(self, telroi: Simulator) -> None:
        services.start_verification(NUMBER)
        VerificationAttempt.objects.all().delete()

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

    def test_stay_after_a_verification(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

    def test_allow_exactly_five_calls_an_hour_to_a_number(self, telroi: Simulator) -> None:
        telroi.set_policy(per_hour=100)
        for _ in range(5):
            services.start_verification(NUMBER)
            let_time_pass(61, telroi)

        with pytest.raises(VerificationRefused) as refused:
            services.start_verification(NUMBER)
        let_time_pass(refused.value.retry_after, telroi)

        assert refused.value.code == "hourly_limit"
        assert services.start_verification(NUMBER).status == "placed"

    def test_known_only_to_telroi_hold_the_number(self, telroi: Simulator, configure: Configure) -> None:
        services.start_verification(NUMBER)
        PhoneNumber.objects.update(calls=[])

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.error_code) == ("failed", "rate_limited")
        with pytest.raises(VerificationRefused) as refused:
            services.start_verification(NUMBER)
        assert (refused.value.code, sends(telroi)) == ("held", 2)


class TestAKeyThatTelroiRefuses:
    """All calls with that key are paused for a minute. Then one call probes the key."""

    @pytest.fixture(autouse=True)
    def _refused(self, telroi: Simulator, site_clock: SiteClock) -> None:
        telroi.fail_always("unauthorized")
        services.start_verification(NUMBER)
        telroi.stop_failing()

    def test_is_not_used_by_any_call_for_a_minute(self, telroi: Simulator) -> None:
        for number in (NUMBER, OTHER_NUMBER):
            with pytest.raises(Misconfigured) as refused:
                services.start_verification(number)
            assert refused.value.retry_after == 60

        assert sends(telroi) == 1

    def test_does_not_pause_another_key(self, telroi: Simulator, configure: Configure) -> None:
        telroi.add_key("tlr_live_another")
        configure(API_KEY="tlr_live_another")

        assert services.start_verification(NUMBER).status == "placed"

    def test_is_probed_after_a_minute_and_then_used_by_all_calls(self, telroi: Simulator) -> None:
        let_time_pass(61)

        assert services.start_verification(NUMBER).status == "placed"
        control = CallControl.objects.get()
        assert (control.paused_until, control.paused_reason, control.paused_key) == (None, "", "")
        assert services.start_verification(OTHER_NUMBER).status == "placed"

    def test_pauses_calls_again_when_it_is_refused_again(
        self, telroi: Simulator, site_clock: SiteClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place_otp = TelroiClient.place_otp

        def place_in_a_second(client: TelroiClient, to: str, **options: Any) -> OtpCall:
            site_clock.advance(1)
            return place_otp(client, to, **options)

        monkeypatch.setattr(TelroiClient, "place_otp", place_in_a_second)
        let_time_pass(61)
        telroi.fail_next("forbidden")
        services.start_verification(NUMBER)

        with pytest.raises(Misconfigured) as refused:
            services.start_verification(OTHER_NUMBER)

        assert refused.value.retry_after == 60
        assert sends(telroi) == 2

    def test_pauses_calls_for_the_budget_if_the_probe_exceeds_the_budget(self, telroi: Simulator) -> None:
        let_time_pass(61)
        telroi.fail_next("key_limited", wait=40)
        services.start_verification(NUMBER)

        with pytest.raises(Unavailable) as refused:
            services.start_verification(OTHER_NUMBER)

        assert refused.value.retry_after == 40
        assert CallControl.objects.get().paused_reason == "key_limited"

    def test_is_not_paused_after_a_probe_that_finds_no_balance(self, telroi: Simulator) -> None:
        let_time_pass(61)
        telroi.fail_next("insufficient_funds")
        services.start_verification(NUMBER)

        assert services.start_verification(OTHER_NUMBER).status == "placed"

    def test_is_not_stored_in_the_row(self, telroi: Simulator) -> None:
        control = CallControl.objects.get()

        assert len(control.paused_key) == 64
        assert telroi.api_key not in control.paused_key


def test_a_key_over_its_budget_is_used_again_after_its_wait(telroi: Simulator) -> None:
    telroi.fail_next("key_limited", wait=10)
    services.start_verification(NUMBER)
    let_time_pass(11)

    assert services.start_verification(NUMBER).status == "placed"
    assert services.start_verification(OTHER_NUMBER).status == "placed"


@pytest.mark.django_db(transaction=True)
class TestADatabaseOutage:
    """A call that cannot be counted is not placed."""

    @pytest.mark.parametrize("after", range(CLAIM_ENDS_AFTER))
    @pytest.mark.parametrize("uuid", [None, uuid4()], ids=["plain", "with an id"])
    def test_before_the_claim_refuses_the_call(
        self, telroi: Simulator, caplog: pytest.LogCaptureFixture, after: int, uuid: Any
    ) -> None:
        with database_gone(after=after), pytest.raises(Unavailable):
            services.start_verification(NUMBER, attempt_uuid=uuid)

        assert (sends(telroi), row_counts()) == (0, {})
        assert "database_unavailable" in caplog.text

    def test_after_the_claim_leaves_a_row_with_the_state(self, telroi: Simulator, heard: Heard) -> None:
        with database_gone(after=CLAIM_ENDS_AFTER):
            attempt = services.start_verification(NUMBER)

        row = VerificationAttempt.objects.get()
        assert (attempt.status, row.status, sends(telroi)) == ("dialing", "dialing", 1)
        assert services.follow(row.uuid, now=row.due_at).attempt.status == "unknown"
        assert services.check_code(row.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    @pytest.mark.codes("telroi")
    def test_after_a_judgement_keeps_the_try_used(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        with database_gone(after=2):
            result = services.check_code(attempt.uuid, "999999")

        attempt.refresh_from_db()
        assert (result.outcome, attempt.tries, attempt.status) == ("unavailable", 1, "placed")


def test_an_invalid_purpose_is_refused_before_the_database_is_used(telroi: Simulator) -> None:
    with statements() as seen, pytest.raises(InvalidPurpose):
        services.start_verification(NUMBER, purpose="\x07")

    assert len(seen) == 1  # the count of refusals


def test_a_call_of_a_paused_key_can_be_read_without_a_key(telroi: Simulator, configure: Configure) -> None:
    telroi.fail_next("unauthorized")
    attempt = services.start_verification(NUMBER)
    configure(API_KEY="")

    standing = services.follow(attempt.uuid)

    assert (standing.call_again_in, standing.refusal.code) == (0, "misconfigured")


@contextmanager
def competing_request(number: str = NUMBER) -> Iterator[None]:
    """Another request claims the number between our read and our claim."""

    def execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SAVEPOINT") and not served:
            served.append(number)
            phone = PhoneNumber.objects.get(number=number)
            phone.moments, phone.version = [timezone.now() - timedelta(seconds=1)], phone.version + 1
            phone.save()
        return execute(sql, params, many, context)

    served: list[str] = []
    with connection.execute_wrapper(execute):
        yield


class TestALostRaceForANumber:
    """Another request claims the number between our read and our claim."""

    @pytest.fixture(autouse=True)
    def _known(self, telroi: Simulator, site_clock: SiteClock) -> None:
        services.start_verification(NUMBER)
        let_time_pass(61, telroi)

    def test_is_refused_by_the_new_state(self, telroi: Simulator) -> None:
        with competing_request(), pytest.raises(CooldownActive) as refused:
            services.start_verification(NUMBER)

        assert refused.value.retry_after == 59
        assert (sends(telroi), VerificationAttempt.objects.count()) == (1, 1)

    def test_is_no_refusal_if_no_limit_applies(self, telroi: Simulator, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=0)

        with competing_request():
            attempt = services.start_verification(NUMBER)

        assert (attempt.status, sends(telroi)) == ("placed", 2)

    def test_leaves_a_queued_call_queued(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)

        with competing_request():
            services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.status, sends(telroi)) == ("queued", 1)

    def test_gives_back_a_call_that_does_not_count(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)

        with competing_request():
            services.cancel_verification(attempt.uuid)

        attempt.refresh_from_db()
        assert (attempt.status, len(moments())) == ("canceled", 1)


def test_a_site_without_time_zones_rings_no_phone(
    telroi: Simulator, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A web server runs no system checks, and the setting may change after the tables were created."""
    settings.USE_TZ = False

    with pytest.raises(Misconfigured), caplog.at_level(logging.ERROR, logger="django_telroi"):
        services.start_verification(NUMBER)

    assert "misconfigured reason=use_tz" in caplog.text
    assert sends(telroi) == 0
