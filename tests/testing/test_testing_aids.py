"""The helpers of the package for tests of a site."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.test import Client, override_settings
from django.utils import timezone

from django_telroi import conf, dispatch, errors, services
from django_telroi.backends.locmem import LocmemCall
from django_telroi.client import TelroiClient
from django_telroi.conf import call_settings, values
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.signals import phone_verified
from django_telroi.simulator import Simulator
from django_telroi.testing import (
    FakeTelroi,
    fake_telroi,
    last_code_for,
    outbox,
    rate_limits,
    running_simulator,
    simulated_telroi,
    verify_phone,
)
from tests.testing.site_tests import ROOT, run_with_django, run_with_pytest

NUMBER = "+2348031234567"
API = "/api/phone/verifications/"
COUNTS_REQUESTS = conf.counts_requests
"""The function itself. The fixture ``requests_are_counted`` replaces it in each test."""


@pytest.fixture
def emptied() -> Iterator[None]:
    outbox.clear()
    yield
    outbox.clear()


@pytest.mark.usefixtures("emptied")
def test_the_last_code_for_a_number_is_that_of_its_newest_call() -> None:
    for to, code in ((NUMBER, "111111"), (NUMBER, "222222"), ("+12015550123", "333333")):
        outbox.append(LocmemCall(to=to, code=code, language=None))

    assert last_code_for(NUMBER) == "222222"


@pytest.mark.usefixtures("emptied")
def test_asking_for_an_unknown_code_does_not_show_the_number() -> None:
    with pytest.raises(LookupError, match="None of the 0 calls in the outbox is to this number") as refused:
        last_code_for(NUMBER)

    assert NUMBER not in str(refused.value)


@pytest.mark.usefixtures("emptied")
@pytest.mark.django_db
def test_in_a_test_run_calls_go_to_the_outbox_by_default() -> None:
    attempt = services.start_verification(NUMBER)

    assert services.check_code(attempt.uuid, last_code_for(NUMBER)).outcome == "verified"


def test_the_client_can_use_the_simulator() -> None:
    with running_simulator() as simulator:
        client = TelroiClient(simulator.api_key, base_url=simulator.base_url)

        placed = client.place_otp(NUMBER, language="en")

        (call,) = simulator.calls
        assert (call.id, call.to, call.language) == (placed.id, NUMBER, "en")
        assert client.check_otp(call.code, id=placed.id).verified


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("aid", [fake_telroi, simulated_telroi])
@pytest.mark.parametrize("chosen", ["celery", "tasks"])
def test_a_site_with_workers_publishes_nothing_in_its_tests(
    chosen: str, aid: Callable[[], AbstractContextManager[FakeTelroi | Simulator]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_settings, "task_framework", lambda: "django.tasks")  # Django 5.2 has none
    monkeypatch.setattr(dispatch, "send", lambda attempt_id: pytest.fail(f"published {attempt_id}"))

    with override_settings(TELROI={"DISPATCH": chosen}), aid() as telroi:
        attempt = services.start_verification(NUMBER)
        assert services.check_code(attempt.uuid, telroi.calls[-1].code).outcome == "verified"

        # In a transaction the call is placed after the commit.
        with transaction.atomic():
            services.start_verification("+2348031234568")
        assert telroi.calls[-1].to == "+2348031234568"


@pytest.mark.parametrize("code", ["000000", "482913", "999999", "0000", "9999999999"])
def test_a_wrong_code_is_another_code_of_the_same_length(code: str) -> None:
    wrong = LocmemCall(to=NUMBER, code=code, language=None).wrong_code

    assert wrong != code
    assert len(wrong) == len(code)


# A number that may be called


@pytest.mark.parametrize(
    ("telroi_settings", "beginning"),
    [
        ({}, "+234"),
        ({"ALLOWED_REGIONS": ["GB"]}, "+44"),
        ({"BLOCKED_REGIONS": ["NG"], "ALLOWED_REGIONS": ["NG", "KE"]}, "+254"),
    ],
)
def test_the_number_of_a_test_is_one_that_the_site_calls(telroi_settings: dict[str, Any], beginning: str) -> None:
    with override_settings(TELROI=telroi_settings), fake_telroi() as telroi:
        assert telroi.number.startswith(beginning)


def test_a_site_that_calls_no_country_is_told_to_pass_a_number() -> None:
    with (
        override_settings(TELROI={"ALLOWED_REGIONS": []}),
        pytest.raises(LookupError, match="Pass a number"),
        fake_telroi(),
    ):
        pass


# A verified phone

MOMENTS = ["created_at", "dialed_at", "placed_at", "verified_at", "closed_at", "expires_at"]
OF_ITS_CALL = {"id", "uuid", "telroi_id", "user", "language", "code_digest", "due_at", *MOMENTS}
"""Columns that differ. The digest of the right code is kept for ten minutes, in case it is sent again."""
COPIED = {field.name for field in VerificationAttempt._meta.concrete_fields} - OF_ITS_CALL


@pytest.mark.django_db
def test_a_phone_is_verified_with_the_rows_of_production(telroi: FakeTelroi) -> None:
    ada, bob = (get_user_model().objects.create_user(name) for name in ("ada", "bob"))
    attempt = services.start_verification(NUMBER, user=bob, language="")
    services.check_code(attempt.uuid, telroi.calls[-1].code, user=bob)
    real = VerifiedPhone.objects.get(user=bob)

    record = verify_phone(ada, "+234 803 123 4567")

    record.refresh_from_db()
    assert (record.number, record.purpose) == (real.number, real.purpose)
    of_ada, of_bob = record.attempt, real.attempt
    assert of_ada
    assert of_bob
    assert {name: getattr(of_ada, name) for name in COPIED} == {name: getattr(of_bob, name) for name in COPIED}
    assert (of_ada.user, of_ada.number) == (ada, NUMBER)
    assert [getattr(of_ada, name) is None for name in MOMENTS] == [getattr(of_bob, name) is None for name in MOMENTS]
    moments = [getattr(of_ada, name) for name in MOMENTS]
    assert moments == sorted(moments)
    assert of_ada.verified_at == record.verified_at
    assert services.has_verified_phone(ada)


@pytest.mark.django_db
def test_a_verified_phone_counts_for_no_limit(telroi: FakeTelroi) -> None:
    for name in ("ada", "bob", "eve"):
        verify_phone(get_user_model().objects.create_user(name), NUMBER)

    assert services.start_verification(NUMBER).status == "placed"
    assert len(telroi.calls) == 1


@pytest.mark.django_db
def test_an_older_verification_does_not_replace_a_newer_one() -> None:
    ada = get_user_model().objects.create_user("ada")
    newer = verify_phone(ada, NUMBER)

    verify_phone(ada, NUMBER, verified_at=timezone.now() - timedelta(days=40))

    record = VerifiedPhone.objects.get()
    assert (record.verified_at, record.attempt_id) == (newer.verified_at, newer.attempt_id)


@pytest.mark.django_db
def test_a_verification_of_an_earlier_moment_is_too_old_for_a_gate() -> None:
    ada = get_user_model().objects.create_user("ada")

    verify_phone(ada, NUMBER, purpose="payout", verified_at=timezone.now() - timedelta(days=40))

    assert services.has_verified_phone(ada, purpose="payout")
    assert not services.has_verified_phone(ada, purpose="payout", max_age=timedelta(days=30))


@pytest.mark.django_db
def test_the_signal_is_sent_if_it_is_asked_for() -> None:
    ada, heard = get_user_model().objects.create_user("ada"), []

    def hear(attempt: VerificationAttempt, user: Any, **kwargs: Any) -> None:
        heard.append((attempt.number, user))

    phone_verified.connect(hear)
    try:
        verify_phone(ada, NUMBER)
        assert heard == []
        verify_phone(ada, NUMBER, send_signals=True)
    finally:
        phone_verified.disconnect(hear)

    assert heard == [(NUMBER, ada)]


@pytest.mark.django_db
def test_an_exception_of_a_receiver_fails_the_test() -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("the site's own mistake")

    phone_verified.connect(fail)
    try:
        with pytest.raises(RuntimeError, match="own mistake"):
            verify_phone(get_user_model().objects.create_user("ada"), NUMBER, send_signals=True)
    finally:
        phone_verified.disconnect(fail)


@pytest.mark.django_db
def test_what_production_refuses_is_refused(telroi: FakeTelroi) -> None:
    ada, bob = (get_user_model().objects.create_user(name) for name in ("ada", "bob"))
    telroi.configure(ONE_ACCOUNT_PER_NUMBER=True)
    verify_phone(ada, NUMBER)

    with pytest.raises(errors.NumberTaken):
        verify_phone(bob, NUMBER)
    with pytest.raises(errors.InvalidNumber):
        verify_phone(bob, "0803")


@pytest.mark.django_db
def test_what_a_start_would_refuse_is_written() -> None:
    ada = get_user_model().objects.create_user("ada")
    services.block_number(NUMBER, reason="fraud", actor="ben")
    premium = "+2347001234567"

    verify_phone(ada, NUMBER, purpose="missing in PURPOSES")
    verify_phone(ada, premium)

    assert {phone.number for phone in services.verified_phones(ada)} == {NUMBER, premium}


@pytest.mark.django_db
def test_a_plain_row_or_a_factory_needs_no_moment() -> None:
    ada = get_user_model().objects.create_user("ada")

    VerifiedPhone(user=ada, number=NUMBER).save()

    assert services.has_verified_phone(ada, max_age=timedelta(minutes=1))


# What the fake does


@pytest.mark.django_db
def test_time_passes_for_codes_waits_and_verifications(telroi: FakeTelroi) -> None:
    ada = get_user_model().objects.create_user("ada")
    verify_phone(ada, "+2348029876543")
    first = services.start_verification(NUMBER)

    telroi.pass_time(minutes=6)

    assert services.check_code(first.uuid, telroi.calls[-1].code).outcome == "expired"
    assert services.start_verification(NUMBER).status == "placed"
    assert not services.has_verified_phone(ada, max_age=timedelta(minutes=5))
    assert services.has_verified_phone(ada, max_age=timedelta(minutes=7))
    assert PhoneNumber.objects.get(number=NUMBER).moments[1] < timezone.now() - timedelta(minutes=5)


@pytest.mark.django_db
def test_a_failure_ends(telroi: FakeTelroi) -> None:
    telroi.play("down")
    assert services.start_verification(NUMBER).status == "failed"

    telroi.recover()

    assert services.start_verification(NUMBER).status == "placed"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "hint"), [("CODE_TRY", 'Did you mean "CODE_TRIES"?'), ("PIGEON", "The settings page of the documentation")]
)
def test_a_misspelt_setting_of_a_test_is_an_error_with_a_suggestion(telroi: FakeTelroi, key: str, hint: str) -> None:
    with pytest.raises(TypeError) as misspelt:
        telroi.configure(CODE_TRIES=2, **{key: 1})

    assert str(misspelt.value).startswith(f'TELROI["{key}"] is not a setting. {hint}')
    assert values.read("CODE_TRIES") == 3


@pytest.mark.django_db
def test_nothing_of_a_fake_outlives_its_test(settings: LazySettings) -> None:
    settings.TELROI = {"COOLDOWN_SECONDS": 7}
    before = {**settings.TELROI}
    with fake_telroi() as telroi:
        telroi.configure(COOLDOWN_SECONDS=0, BLOCKED_REGIONS=["GH"])
        telroi.play("down")
        telroi.play("calls_stopped")
        telroi.play("too_many_requests")
        assert values.read("COOLDOWN_SECONDS") == 0

    assert (settings.TELROI, values.chosen(), conf.chosen()) == (before, before, before)
    assert conf.rate_limit_cache() == "default"
    services.resume_calls(actor="a test")
    assert services.start_verification(NUMBER).status == "placed"
    assert Client().get("/phone/").status_code == 200


@pytest.mark.django_db
def test_the_settings_of_a_fake_are_left_in_any_order(telroi: FakeTelroi, settings: LazySettings) -> None:
    """An override that begins during the fake, and ends after it, keeps nothing of the fake."""
    site = override_settings(TELROI={"COOLDOWN_SECONDS": 7})
    with fake_telroi() as inner:
        inner.configure(CALLS_PER_HOUR=1)
        site.enable()
        assert (values.read("COOLDOWN_SECONDS"), values.read("CALLS_PER_HOUR")) == (7, 1)
    assert (values.read("COOLDOWN_SECONDS"), values.read("CALLS_PER_HOUR")) == (7, 5)
    site.disable()

    assert values.read("COOLDOWN_SECONDS") == 60


# Limits of requests

TOO_MANY = 21
"""More than the 20 calls of an hour that one address may ask for."""


@pytest.fixture
def like_a_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test run of a site, in which requests are not counted."""
    monkeypatch.setattr(conf, "counts_requests", COUNTS_REQUESTS)


def statuses(requests: int) -> list[int]:
    """Ask for calls to different numbers from one address."""
    return [
        Client().post(API, {"number": f"+23480312345{each:02}"}, "application/json").status_code
        for each in range(requests)
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("like_a_site")
def test_a_test_run_counts_no_requests(telroi: FakeTelroi) -> None:
    assert statuses(TOO_MANY) == [201] * TOO_MANY


@pytest.mark.django_db
@pytest.mark.usefixtures("like_a_site", "telroi_rate_limits")
def test_the_fixture_switches_the_limits_on(telroi: FakeTelroi) -> None:
    assert statuses(TOO_MANY) == [201] * 20 + [429]


@pytest.mark.django_db
@pytest.mark.usefixtures("like_a_site")
@override_settings(CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}})
def test_limits_begin_at_zero_and_need_no_cache_of_the_site(telroi: FakeTelroi) -> None:
    for _ in range(2):
        with rate_limits({"start": {"ip": "1/h"}}):
            assert statuses(2) == [201, 429]
            telroi.pass_time(hours=1)


@pytest.mark.django_db
@pytest.mark.usefixtures("like_a_site")
def test_limits_leave_the_cache_of_the_site_alone(telroi: FakeTelroi) -> None:
    cache.set("own", "kept")
    with rate_limits():
        statuses(1)
        assert cache.get("own") == "kept"
    assert cache.get("own") == "kept"


@pytest.mark.usefixtures("like_a_site")
def test_requests_are_counted_in_production_and_where_a_test_sets_rates() -> None:
    of_file = {"start": {"ip": "9/h"}}
    module = SimpleNamespace(TELROI={"RATES": of_file})
    with patch.dict(sys.modules, {os.environ["DJANGO_SETTINGS_MODULE"]: module}):
        for telroi_settings, counts in (
            (module.TELROI, False),
            ({**module.TELROI, "COOLDOWN_SECONDS": 1}, False),
            ({"RATES": {"start": {"ip": "9/h"}}}, True),
        ):
            with override_settings(TELROI=telroi_settings):
                assert conf.counts_requests() is counts
        with patch.object(conf, "is_test_run", lambda: False):
            assert conf.counts_requests()


# Other projects


WALKS = """
import pytest
from rest_framework.test import APIClient
from django_telroi import services

NUMBER = "+2348031234567"

@pytest.mark.django_db
@pytest.mark.parametrize("each", range(30))
def test_in_memory(telroi, client, each):
    client.post("/phone/", {"number": NUMBER})
    page = client.post("/phone/code/", {"code": telroi.calls[-1].code}, follow=True)
    assert page.status_code == 200
    assert len(telroi.calls) == 1

@pytest.mark.django_db
def test_with_the_client_of_rest_framework(telroi):
    placed = APIClient().post("/api/phone/verifications/", {"number": NUMBER}).json()
    checked = APIClient().post(f"/api/phone/verifications/{placed['id']}/check/", {"code": telroi.calls[-1].code})
    assert checked.json()["outcome"] == "verified"

def test_on_a_live_server(telroi, live_server):
    from urllib.request import Request, urlopen
    body = b'{"number": "+2348031234567"}'
    request = Request(live_server.url + "/api/phone/verifications/", body, {"Content-Type": "application/json"})
    assert urlopen(request, timeout=60).status == 201
    assert telroi.calls[-1].to == NUMBER

@pytest.mark.django_db(transaction=True)
def test_over_http(telroi_simulator):
    attempt = services.start_verification(NUMBER)
    assert services.check_code(attempt.uuid, telroi_simulator.calls[-1].code).outcome == "verified"
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_site_uses_each_fixture_with_each_client(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_with_pytest(tmp_path, WALKS, arguments=arguments, settings='TELROI = {"API_KEY": "tlr_live_realmoney"}')

    assert "33 passed" in done.stdout, done.stdout + done.stderr


def test_a_live_key_in_the_environment_calls_nothing(tmp_path: Path) -> None:
    done = run_with_pytest(tmp_path, WALKS, TELROI_API_KEY="tlr_live_realmoney")

    assert "33 passed" in done.stdout, done.stdout + done.stderr


IMPORTS_NOTHING = """
import sys

def test_the_plugin_is_there_and_imports_no_django(pytestconfig):
    assert pytestconfig.pluginmanager.has_plugin("telroi")
    assert sorted(name for name in sys.modules if name.split(".")[0] in ("django_telroi", "django")) == [
        "django_telroi", "django_telroi.pytest_plugin"
    ]
"""


def test_a_suite_without_django_is_left_alone(tmp_path: Path) -> None:
    done = run_with_pytest(tmp_path, IMPORTS_NOTHING, arguments=("-p", "no:django"))

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_pytest_finds_the_plugin_of_the_installed_package() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())

    plugins = pyproject["project"]["entry-points"]["pytest11"]

    assert {name: import_module(module).__name__ for name, module in plugins.items()} == {
        "telroi": "django_telroi.pytest_plugin"
    }


CASES = """
from django.test import TestCase
from django_telroi import services
from django_telroi.testing import FakeTelroiMixin, rate_limits, verify_phone

class Pages(FakeTelroiMixin, TestCase):
    def ask(self):
        return self.client.post("/api/phone/verifications/", {"number": self.telroi.number}, "application/json")

    def test_the_code_verifies(self):
        placed = self.ask().json()
        result = services.check_code(placed["id"], self.telroi.calls[-1].code)
        self.assertEqual(result.outcome, "verified")

    def test_telroi_is_down(self):
        self.telroi.play("down")
        self.assertEqual(self.ask().status_code, 503)
        self.assertEqual(self.telroi.calls, [])

    @rate_limits({"start": {"ip": "0/h"}})
    def test_limits(self):
        self.assertEqual(self.ask().json()["code"], "too_many_requests")

class Others(Pages):
    pass
"""


@pytest.mark.parametrize("arguments", [(), ("--parallel", "2")], ids=["one process", "parallel"])
def test_the_test_runner_of_django_uses_the_mixin(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run_with_django(tmp_path, CASES, *arguments)

    assert "Ran 6 tests" in done.stderr, done.stdout + done.stderr
    assert "OK" in done.stderr, done.stderr
