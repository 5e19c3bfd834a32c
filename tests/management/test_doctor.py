"""The doctor reports each fault with its solution, and no secret."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from io import StringIO
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.translation import gettext_lazy

from django_telroi import services
from django_telroi.client import TelroiClient
from django_telroi.conf import TELROI_BACKEND
from django_telroi.management import doctor
from django_telroi.management.doctor import rate_limits, telroi_api
from django_telroi.management.doctor.findings import Finding, Level
from django_telroi.management.doctor.rate_limits import examine_cache
from django_telroi.management.doctor.rows import examine_rows
from django_telroi.management.doctor.telroi_api import examine_backend, examine_telroi
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import hold_site_clock
from tests.outages.outage import unreachable

NUMBER = "+2348031234567"


def told(found: Iterator[Finding]) -> list[tuple[str, str]]:
    return [(str(finding.level), finding.says) for finding in found]


class TestTelroi:
    def test_a_live_key_with_its_scope_is_ok_and_no_call_is_placed(self, telroi: Simulator) -> None:
        levels = [finding.level for finding in examine_telroi()]

        assert levels == [Level.GOOD, Level.NOTE, Level.GOOD, Level.GOOD]
        assert [(seen.method, seen.path) for seen in telroi.requests] == [
            ("GET", "/v1/numbers"),
            ("POST", "/v1/otp/verify"),
        ]
        assert telroi.calls == []

    def test_a_test_key_and_a_live_key_have_different_texts(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.test_key)

        assert ("note", "The key is a test key: no phone rings, and the code 000000 verifies any number.") in told(
            examine_telroi()
        )

    def test_the_simulator_is_not_reported_as_a_live_key(self, telroi: Simulator, configure: Configure) -> None:
        for key in (telroi.api_key, telroi.sandbox_key):
            configure(API_KEY=key)

            findings = {finding.says: finding for finding in examine_telroi()}

            assert not any("live key" in says for says in findings)
            (simulated,) = (each for says, each in findings.items() if "no phone rings" in says)
            assert (simulated.level, simulated.figures) == (Level.NOTE, {"live": False})

    def test_a_live_key_with_a_backend_that_rings_no_phone_is_reported(
        self, telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(API_KEY=telroi.sandbox_key)
        monkeypatch.setattr(telroi_api, "_is_on_this_machine", lambda: False)

        says = [says for _, says in told(examine_telroi())]

        assert any("live key" in line and "sandbox mode, which only Telroi's dashboard shows" in line for line in says)

    def test_a_key_without_permission_for_the_list_is_valid(self, telroi: Simulator, configure: Configure) -> None:
        telroi.add_key("tlr_live_otponly", scopes=["otp:write"])
        configure(API_KEY="tlr_live_otponly")

        assert [level for level, _ in told(examine_telroi())] == ["good", "note", "good", "good"]

    def test_a_missing_scope_is_reported(self, telroi: Simulator, configure: Configure) -> None:
        telroi.add_key("tlr_live_reader", scopes=["numbers:read"])
        configure(API_KEY="tlr_live_reader")

        assert ("bad", "The key lacks the scope otp:write.") in told(examine_telroi())

    def test_a_revoked_key_is_reported_and_no_more_requests_are_sent(self, telroi: Simulator) -> None:
        telroi.revoke_key(telroi.api_key)

        assert told(examine_telroi())[0] == ("bad", "The key is unknown to Telroi or revoked.")
        assert len(telroi.requests) == 1

    def test_an_unreachable_server_is_reported(self, telroi: Simulator) -> None:
        with telroi.refusing():
            assert told(examine_telroi()) == [("bad", "Telroi cannot be reached: refused.")]

    def test_a_used_up_minute_is_reported(self, telroi: Simulator) -> None:
        telroi.flood_key(telroi.api_key)

        assert told(examine_telroi())[0] == ("note", "The key has reached its limit of requests per minute.")

    @pytest.mark.parametrize(
        ("fault", "answer"),
        [("service_unavailable", "503 service_unavailable"), ("server_error", "500"), ("proxy_page", "502")],
    )
    def test_a_telroi_that_is_down_is_reported_with_the_runbook(
        self, telroi: Simulator, fault: str, answer: str
    ) -> None:
        telroi.fail_next(fault)

        [finding, *_] = examine_telroi()

        assert finding.level == Level.BAD
        assert finding.says.startswith(f"Telroi is down: Telroi answered {answer}")
        assert "docs/howto/telroi_down.rst" in finding.cure
        assert (Path(__file__).parents[2] / "docs/howto/telroi_down.rst").is_file()

    @pytest.mark.parametrize("fault", ["reset", "json_string"])
    def test_an_invalid_answer_is_reported(self, telroi: Simulator, fault: str) -> None:
        telroi.fail_next(fault)

        [finding, *_] = examine_telroi()

        assert (finding.level, finding.says.partition(":")[0]) == (Level.BAD, "Telroi sent an unexpected response")

    def test_a_base_url_without_a_route_is_reported(self, telroi: Simulator, configure: Configure) -> None:
        configure(BASE_URL=f"{telroi.base_url}/v1")

        [finding, *_] = examine_telroi()

        assert (finding.level, finding.says) == (Level.BAD, "BASE_URL is not the URL of Telroi's API (status 302).")
        assert "without a path" in finding.cure

    def test_the_difference_of_the_clocks_is_reported(self, telroi: Simulator) -> None:
        telroi.advance(-90)
        began = timezone.now()

        *_, clock = examine_telroi()

        took = (timezone.now() - began).total_seconds()
        assert clock.level == Level.NOTE
        assert 88 - took <= int(str(clock.figures["seconds_apart"])) <= 92 + took

    def test_a_slow_answer_is_not_reported_as_a_wrong_clock(
        self, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, look_at_scope = [timezone.now()], telroi_api._scope
        telroi.freeze()

        def late(client: TelroiClient) -> Finding:
            now[0] += timedelta(minutes=1)
            return look_at_scope(client)

        monkeypatch.setattr(telroi_api, "datetime", SimpleNamespace(now=lambda zone: now[0]))
        monkeypatch.setattr(telroi_api, "_scope", late)

        *_, clock = examine_telroi()

        assert abs(int(str(clock.figures["seconds_apart"]))) < 60

    def test_a_backend_that_rings_no_phone_is_named(self, configure: Configure) -> None:
        configure(BACKEND="django_telroi.backends.console.ConsoleBackend")

        assert told(examine_backend()) == [
            ("note", "django_telroi.backends.console.ConsoleBackend places no calls: no phone rings.")
        ]

    def test_a_missing_key_is_reported(self, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("TELROI_API_KEY", raising=False)
        configure(BACKEND=TELROI_BACKEND)

        assert told(examine_telroi()) == [("bad", "The API key is not set.")]


class TestTheCache:
    def test_in_local_memory_is_not_shared_between_processes(self, settings: Any) -> None:
        assert told(examine_cache()) == [
            ("good", 'The cache "default" counts concurrent requests exactly.'),
            (
                "note",
                'Each process has its own cache "default". With several processes a requester can exceed the limits.',
            ),
        ]
        assert not [key for key in caches["default"]._cache if "telroi-doctor" in key]

    def test_that_stores_nothing_is_an_error(self, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

        [finding] = examine_cache()

        assert (finding.level, "Redis" in finding.cure) == (Level.BAD, True)

    def test_that_cannot_be_reached_is_named_with_its_cure_and_without_its_password(self, settings: Any) -> None:
        where = "redis://:Canary@127.0.0.1:1"
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": where}}

        [finding] = examine_cache()

        assert (finding.level, finding.cure) == (Level.BAD, "Check CACHES, and start the server of the cache.")
        assert finding.says == 'The cache "default" cannot be reached: ConnectionError.'

    def test_whose_package_is_not_installed_is_left_to_the_doctor(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lacks_its_package(*args: Any) -> None:
            raise ModuleNotFoundError("No module named 'redis'", name="redis")

        monkeypatch.setattr(type(caches["default"]), "set", lacks_its_package)

        with pytest.raises(ModuleNotFoundError):
            list(examine_cache())

    def test_that_is_shared_is_recognized(self, settings: Any, tmp_path: Any) -> None:
        """A file cache is shared between processes. The second process is a real one of the site."""
        where = {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
        settings.CACHES = {"default": where}
        script = f"from django.core.cache.backends.filebased import FileBasedCache as C; C({str(tmp_path)!r}, {{}})"

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rate_limits, "SET_IN_ANOTHER_PROCESS", f"import sys; {script}.set(sys.argv[2], 1, 60)")
            says = [finding.says for finding in examine_cache()]

        assert says[-1] == 'All processes share the cache "default".'

    def test_that_loses_counts_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rate_limits, "_count", lambda alias, key: caches[alias].set(key, 1))

        [exact, _] = examine_cache()

        assert (exact.level, exact.figures) == (Level.BAD, {"exact": False})


@pytest.mark.django_db
class TestTheRows:
    def test_of_a_new_site_are_ok(self) -> None:
        assert [finding.level for finding in examine_rows()] == [Level.GOOD] * 7

    def test_without_a_migration_are_an_error(self) -> None:
        MigrationRecorder(connection).record_unapplied("django_telroi", "0001_initial")

        assert told(examine_rows()) == [("bad", "1 migration of this app must be applied.")]

    def test_say_that_staff_stopped_all_calls(self) -> None:
        services.stop_calls(reason="an attack", actor="ada")

        assert ("bad", "Staff stopped all calls.") in told(examine_rows())

    def test_say_how_many_calls_are_queued(self) -> None:
        attempt(status="queued", created_at=timezone.now() - timedelta(seconds=31), due_at=timezone.now())
        attempt(status="queued", due_at=timezone.now())

        assert ("bad", "1 call has waited in the queue for more than 30 s.") in told(examine_rows())

    @pytest.mark.parametrize("status", ["placed", "verified"])
    def test_say_that_no_sweep_has_run(self, status: str) -> None:
        attempt(status=status, due_at=timezone.now() - timedelta(minutes=35, seconds=20))
        attempt(status=status, due_at=timezone.now() - timedelta(minutes=12))

        [finding] = [each for each in examine_rows() if "overdue_seconds" in each.figures]

        assert (finding.level, finding.says) == (Level.NOTE, "No sweep has run for 35 minutes.")
        assert "telroi_sweep" in finding.cure
        assert 2120 <= cast("int", finding.figures["overdue_seconds"]) < 2160

    def test_say_nothing_of_a_sweep_that_runs_every_few_minutes(self) -> None:
        attempt(status="placed", due_at=timezone.now() - timedelta(minutes=9))
        attempt(status="expired", due_at=None)

        assert ("good", "No call has waited for the sweep for more than 10 minutes.") in told(examine_rows())

    def test_after_a_sweep_are_no_note(self) -> None:
        attempt(status="placed", due_at=timezone.now() - timedelta(days=2))

        services.sweep()

        assert "note" not in [level for level, _ in told(examine_rows())]

    def test_say_that_no_daily_purge_runs(self) -> None:
        attempt(status="expired", created_at=timezone.now() - timedelta(days=95, hours=1))
        attempt(status="expired")

        (before,) = (each for each in examine_rows() if "oldest_days" in each.figures)
        VerificationAttempt.objects.earliest("created_at").delete()
        (after,) = (each for each in examine_rows() if "oldest_days" in each.figures)

        assert (before.level, before.figures) == (Level.NOTE, {"oldest_days": 95})
        assert before.says == "The oldest attempt is 95 days old, but RETENTION_DAYS is 90, so no daily purge runs."
        assert before.cure.startswith("Run manage.py telroi_purge once a day by cron")
        assert (after.level, after.figures) == (Level.GOOD, {"oldest_days": 0})

    @pytest.mark.parametrize(("days", "level"), [(11, Level.GOOD), (13, Level.NOTE)])
    def test_say_nothing_of_a_purge_that_is_a_day_late(self, configure: Configure, days: int, level: Level) -> None:
        configure(RETENTION_DAYS=10)
        attempt(status="expired", created_at=timezone.now() - timedelta(days=days))

        (finding,) = (each for each in examine_rows() if "oldest_days" in each.figures)

        assert finding.level == level

    def test_say_nothing_of_the_purge_if_attempts_are_kept(self, configure: Configure) -> None:
        configure(RETENTION_DAYS=None)
        attempt(status="expired", created_at=timezone.now() - timedelta(days=1000))

        assert not [each for each in examine_rows() if "oldest_days" in each.figures]

    def test_say_how_many_numbers_wait_since_the_clock_was_ahead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = hold_site_clock(monkeypatch, at=timezone.now())
        services.start_verification("+2348031230001")
        clock.now += timedelta(days=2)
        services.start_verification("+2348031230002")
        clock.now -= timedelta(days=2)

        (before,) = (each for each in examine_rows() if "future" in each.figures)
        services.reset_limits("+2348031230002", actor="ada")
        (after,) = (each for each in examine_rows() if "future" in each.figures)

        assert (before.level, before.figures) == (Level.NOTE, {"future": 1})
        assert before.says == "1 number has calls in the future, and must wait longer."
        assert after.level == Level.GOOD

    @pytest.mark.parametrize(("unknown", "level"), [(1, Level.GOOD), (2, Level.NOTE)])
    def test_say_how_many_calls_have_an_unknown_outcome(self, unknown: int, level: Level) -> None:
        now = timezone.now()
        for count in range(60):
            attempt(status="expired", dialed_at=now, error_code="no_reply" if count < unknown else "")

        *_, finding = examine_rows()

        assert (finding.level, finding.figures) == (level, {"calls": 60, "unknown": unknown})

    def test_say_when_the_last_webhook_arrived(self, configure: Configure) -> None:
        configure(WEBHOOK_SECRETS=["whsec_Canary"])
        assert ("note", "No webhook has arrived yet.") in told(examine_rows())

        AttemptEvent.objects.create(kind="webhook", at=timezone.now() - timedelta(seconds=150))

        assert ("good", "The last webhook arrived 3 minutes ago.") in told(examine_rows())


@pytest.mark.django_db(transaction=True)
def test_a_database_out_of_reach_is_named() -> None:
    with unreachable():
        [finding] = examine_rows()

    assert (finding.level, finding.says) == (Level.BAD, 'The database "default" cannot be reached.')
    assert 'DATABASES["default"]' in finding.cure
    assert finding.figures == {"reachable": False}


def attempt(**fields: Any) -> VerificationAttempt:
    phone, _ = PhoneNumber.objects.get_or_create(number=NUMBER, last4=NUMBER[-4:])
    fields = {"created_at": timezone.now(), "expires_at": timezone.now(), "dispatch": "inline", "max_tries": 3} | fields
    return VerificationAttempt.objects.create(phone=phone, **fields)


class Shop(Enum):
    """The names of keys, as a function of a site may have them."""

    LAGOS = "lagos"


@pytest.mark.django_db
class TestTheCommand:
    def test_prints_one_line_per_finding_with_its_solution_and_fails_for_an_error(self, telroi: Simulator) -> None:
        telroi.revoke_key(telroi.api_key)
        out = StringIO()

        with pytest.raises(CommandError, match=r"^1 of \d+ findings is bad\.$") as failure:
            call_command("telroi_doctor", stdout=out, no_color=True)

        assert failure.value.returncode == 1
        assert "bad   telroi    The key is unknown to Telroi or revoked.\n" in out.getvalue()
        assert "                Create a new key in Telroi's dashboard.\n" in out.getvalue()

    def test_counts_several_findings_that_are_bad(self, telroi: Simulator) -> None:
        telroi.revoke_key(telroi.api_key)
        services.stop_calls(reason="an attack", actor="ada")

        with pytest.raises(CommandError, match=r"^2 of \d+ findings are bad\.$"):
            call_command("telroi_doctor", stdout=StringIO())

    def test_prints_json(self, telroi: Simulator) -> None:
        out = StringIO()

        call_command("telroi_doctor", "--json", stdout=out)

        report = json.loads(out.getvalue())
        assert report["ok"] is True
        assert {each["subject"] for each in report["findings"]} >= {"telroi", "cache", "rows"}

    def test_prints_json_of_values_that_json_does_not_have(
        self, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        figures: Any = {
            "enum": Shop.LAGOS,
            "bytes": b"shop\xff",
            "lazy": gettext_lazy("Phone"),
            "path": Path("shop"),
            "surrogate": "\udc80",
            "infinite": [math.inf, -math.inf, math.nan, 1.5],
            "nested": {("a", 1): {None: {b"x"}}, Shop.LAGOS: (1, True)},
            7: 7,
            gettext_lazy("Phone"): None,
        }
        odd = Finding("odd", Level.NOTE, cast("Any", gettext_lazy("Phone")), figures=MappingProxyType(figures))
        monkeypatch.setitem(doctor.EXAMINATIONS, "cache", lambda: [odd])
        out = StringIO()

        call_command("telroi_doctor", "--json", stdout=out)

        report = json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        [found] = [each for each in report["findings"] if each["subject"] == "odd"]
        assert (found["level"], found["says"], found["cure"]) == ("note", "Phone", "")
        assert found["figures"] == {
            "enum": "Shop.LAGOS",
            "bytes": "shop\\xff",
            "lazy": "Phone",
            "path": "shop",
            "surrogate": "\udc80",
            "infinite": [None, None, None, 1.5],
            "nested": {"['a', 1]": {"None": ["x"]}, "Shop.LAGOS": [1, True]},
            "7": 7,
            "Phone": None,
        }

    def test_prints_no_keys_and_passwords(self, telroi: Simulator, configure: Configure) -> None:
        secret = "Canary0Key0Canary"
        for chosen in ({"API_KEY": f"tlr_live_{secret}"}, {"PROXY_URL": f"http://u:{secret}@127.0.0.1:9"}):
            configure(**chosen)
            out = StringIO()
            with pytest.raises(CommandError) as failure:
                call_command("telroi_doctor", stdout=out)
            assert secret not in out.getvalue() + repr(failure.value)

    def test_continues_after_a_check_that_raises(self, telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        def breaks() -> Iterator[Finding]:
            raise ConnectionError("redis://:Canary@cache.example")

        monkeypatch.setitem(doctor.EXAMINATIONS, "cache", breaks)
        out = StringIO()

        with pytest.raises(CommandError):
            call_command("telroi_doctor", stdout=out, no_color=True)

        assert "bad   cache     The examination failed: ConnectionError.\n" in out.getvalue()
        assert "All migrations of this app are applied." in out.getvalue()
        assert "Canary" not in out.getvalue()

    def test_prints_the_messages_of_the_system_checks(self, configure: Configure) -> None:
        configure(API_KYE="x")
        out = StringIO()

        call_command("telroi_doctor", stdout=out, no_color=True)

        assert 'note  settings  TELROI["API_KYE"] is not a setting.\n' in out.getvalue()
