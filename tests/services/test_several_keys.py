"""A site with several API keys: the key of each call, its codes, pauses, rotation and removal."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from django_telroi import services
from django_telroi.backends import get_backend
from django_telroi.backends.locmem import LocmemBackend
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client.webhooks import read_event, sign
from django_telroi.errors import Misconfigured, NotCallable, Unavailable, VerificationRefused
from django_telroi.models import AttemptEvent, CallControl, VerificationAttempt
from django_telroi.services import KeyFacts
from django_telroi.services.shared import backend_calls
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import hold_clock
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, let_time_pass, sends, statements, wrong

pytestmark = pytest.mark.django_db

ADA_KEY, BEN_KEY, NEW_KEY = "tlr_live_ada", "tlr_live_ben", "tlr_live_new"
SANDBOX = "sandbox"
START_ID = UUID("6f1f3c51-26dc-4ab5-9a0e-9f3a6e6f3b4d")


def by_purpose(facts: KeyFacts) -> str:
    return facts.purpose or "ada"


@pytest.fixture
def keys(telroi: Simulator, configure: Configure) -> Simulator:
    """Two keys of two workspaces. The purpose of a call is the name of its key, ``ada`` by default."""
    telroi.add_key(ADA_KEY)
    telroi.add_key(BEN_KEY, workspace=SANDBOX)
    configure(API_KEY=by_purpose, API_KEYS={"ada": ADA_KEY, "ben": BEN_KEY}, PURPOSES=["", "ada", "ben"])
    return telroi


def tokens(telroi: Simulator, path: str = "/v1/otp") -> list[str]:
    """Return the keys of the requests with this path, oldest first."""
    return [seen.key for seen in telroi.requests if seen.path == path]


class TestTheFunction:
    """``API_KEY`` names the key of a call."""

    @pytest.mark.parametrize(("purpose", "name", "key"), [("", "ada", ADA_KEY), ("ben", "ben", BEN_KEY)])
    def test_chooses_the_key_of_the_request(self, keys: Simulator, purpose: str, name: str, key: str) -> None:
        attempt = services.start_verification(NUMBER, purpose=purpose)

        assert (attempt.status, attempt.key_name, tokens(keys)) == ("placed", name, [key])
        assert VerificationAttempt.objects.get().key_name == name

    def test_gets_user_purpose_region_and_tenant_once(
        self, keys: Simulator, configure: Configure, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[KeyFacts] = []
        monkeypatch.setattr(connection, "tenant", "acme", raising=False)
        configure(API_KEY=lambda facts: seen.append(facts) or "ben")

        services.start_verification(NUMBER, user=ada, purpose="ada")

        assert seen == [KeyFacts(user=ada, purpose="ada", region="NG", tenant="acme")]

    def test_a_dotted_path_is_imported(self, keys: Simulator, configure: Configure) -> None:
        configure(API_KEY="tests.services.key_functions.always_ben")

        assert services.start_verification(NUMBER).key_name == "ben"

    def test_a_repeat_and_a_refused_start_do_not_ask_it(self, keys: Simulator, configure: Configure) -> None:
        first = services.start_verification(NUMBER, attempt_uuid=START_ID)
        asked: list[KeyFacts] = []
        configure(API_KEY=lambda facts: asked.append(facts) or "ben")

        again = services.start_verification(NUMBER, attempt_uuid=START_ID)
        with pytest.raises(VerificationRefused):
            services.start_verification(NUMBER)

        assert (again.pk, asked, sends(keys)) == (first.pk, [], 1)

    def test_a_worker_does_not_ask_it(self, keys: Simulator, configure: Configure, celery_app: Any) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(API_KEY=lambda _facts: pytest.fail("asked in the worker"))

        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.status, tokens(keys)) == ("placed", [BEN_KEY])

    @pytest.mark.django_db(transaction=True)
    def test_a_call_after_the_commit_has_the_key_of_the_request(self, keys: Simulator, configure: Configure) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER, purpose="ben")
            configure(API_KEY=lambda _facts: pytest.fail("asked at the commit"))

        attempt.refresh_from_db()
        assert (attempt.status, tokens(keys)) == ("placed", [BEN_KEY])

    def test_another_call_of_the_flow_asks_it_again(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER)
        let_time_pass(61, keys)
        configure(API_KEY=lambda _facts: "ben")

        assert services.call_again(attempt.uuid).key_name == "ben"

    def test_one_statement_more_reads_the_row_of_the_key(self, keys: Simulator) -> None:
        services.start_verification(OTHER_NUMBER)
        with statements() as with_function:
            services.start_verification(NUMBER)
        let_time_pass(61, keys)
        with statements() as refused:
            services.start_verification(NUMBER)
            with pytest.raises(VerificationRefused):
                services.start_verification(NUMBER)

        verbs = [sql.split()[0] for sql in with_function]
        assert verbs[:2] == ["SELECT", "SELECT"]
        assert len(verbs) == 5
        assert [sql.split()[0] for sql in refused][-2:] == ["SELECT", "INSERT"]


def raises(error: Exception) -> Callable[[KeyFacts], str]:
    def choose(facts: KeyFacts) -> str:
        raise error

    return choose


class TestAFunctionThatFails:
    """No call is placed, and the refusal has a stable code."""

    @pytest.mark.parametrize(
        ("function", "code", "logged"),
        [
            (raises(ValueError("tlr_live_secret")), "unavailable", "ValueError"),
            (raises(NotCallable()), "not_callable", None),
            (lambda facts: None, "misconfigured", "returned NoneType"),
            (lambda facts: 5, "misconfigured", "returned int"),
            (lambda facts: "", "misconfigured", "no such key"),
            (lambda facts: "carol", "misconfigured", "no such key"),
            (lambda facts: "*", "misconfigured", "no such key"),
            (lambda facts: "default", "misconfigured", "no such key"),
            (lambda facts: ADA_KEY, "misconfigured", "no such key"),
            (lambda: "ada", "unavailable", "TypeError"),
            ("nowhere.at_all", "misconfigured", "ModuleNotFoundError(nowhere)"),
            ("tests.services.world.NUMBER", "misconfigured", "ImportError"),
            ("tlr_live_secret", "misconfigured", "ImportError"),
        ],
    )
    def test_is_a_clear_refusal(
        self,
        keys: Simulator,
        configure: Configure,
        caplog: pytest.LogCaptureFixture,
        heard: Heard,
        function: object,
        code: str,
        logged: str | None,
    ) -> None:
        configure(API_KEY=function)

        with caplog.at_level(logging.INFO), pytest.raises(VerificationRefused) as refused:
            services.start_verification(NUMBER)

        assert refused.value.code == code
        told = ["alert"] * (code == "misconfigured") + ["verification_refused"]
        assert (sends(keys), VerificationAttempt.objects.count(), heard.names) == (0, 0, told)
        lines = [line for line in caplog.messages if line.startswith("key_not_chosen")]
        assert lines == ([] if logged is None else [f'key_not_chosen error="{logged}"'])
        assert "secret" not in caplog.text

    def test_the_statement_is_counted_as_refused_and_a_repeat_is_still_found(
        self, keys: Simulator, configure: Configure
    ) -> None:
        first = services.start_verification(NUMBER, attempt_uuid=START_ID)
        configure(API_KEY=raises(ValueError()))

        assert services.start_verification(NUMBER, attempt_uuid=START_ID).pk == first.pk

    @pytest.mark.parametrize("name", ["", "*", "a" * 65, 'a"b', "a\nb", "a\0b"])
    def test_a_name_that_is_no_name_places_no_call_although_it_has_a_key(
        self, keys: Simulator, configure: Configure, name: str
    ) -> None:
        configure(API_KEY=lambda _facts: name, API_KEYS=lambda: {name: ADA_KEY})

        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER)

        assert (sends(keys), CallControl.objects.count()) == (0, 0)

    @pytest.mark.parametrize("loader", ["nowhere.at_all", lambda: 5, lambda: {"ada": 5}, raises(OSError())])
    def test_keys_that_cannot_be_read_place_no_call(
        self, keys: Simulator, configure: Configure, loader: object
    ) -> None:
        configure(API_KEYS=loader)

        with pytest.raises((Misconfigured, Unavailable)):
            services.start_verification(NUMBER)

        assert sends(keys) == 0


class TestCodes:
    """A code is checked with the key of its attempt."""

    @pytest.mark.codes("telroi")
    def test_telroi_is_asked_with_the_key_of_the_attempt(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(API_KEY=lambda _facts: pytest.fail("asked at a check"))

        result = services.check_code(attempt.uuid, keys.last_code_for(NUMBER))

        assert (str(result.outcome), tokens(keys, "/v1/otp/verify")) == ("verified", [BEN_KEY])

    @pytest.mark.codes("telroi")
    def test_a_newer_call_with_another_key_does_not_end_a_call_without_an_id(self, keys: Simulator) -> None:
        keys.fail_next("close")
        lost = services.start_verification(NUMBER, purpose="ada")
        code = keys.last_code_for(NUMBER)
        let_time_pass(61, keys)
        services.start_verification(NUMBER, purpose="ben")

        assert str(services.check_code(lost.uuid, code).outcome) == "verified"
        assert tokens(keys, "/v1/otp/verify") == [ADA_KEY]


class TestPauses:
    """A pause, its probe and its alert belong to one key."""

    def test_a_revoked_key_pauses_its_own_calls_only(self, keys: Simulator, heard: Heard) -> None:
        keys.revoke_key(ADA_KEY)

        failed = services.start_verification(NUMBER, purpose="ada")
        with pytest.raises(Misconfigured):
            services.start_verification(OTHER_NUMBER, purpose="ada")
        other = services.start_verification(OTHER_NUMBER, purpose="ben")

        assert (failed.error_code, other.status) == ("misconfigured", "placed")
        assert [row.name for row in CallControl.objects.all()] == ["ada"]
        assert [told["key_name"] for name, told in heard.told if name == "alert"] == ["ada"]

    def test_the_probe_lifts_the_pause_of_its_own_key(self, keys: Simulator) -> None:
        keys.revoke_key(ADA_KEY)
        keys.revoke_key(BEN_KEY)
        services.start_verification(NUMBER, purpose="ada")
        services.start_verification(OTHER_NUMBER, purpose="ben")
        let_time_pass(61, keys)
        keys.add_key(ADA_KEY)

        assert services.start_verification(NUMBER, purpose="ada").status == "placed"

        paused = {row.name: bool(row.paused_until) for row in CallControl.objects.all()}
        assert paused == {"ada": False, "ben": True}
        assert services.start_verification(OTHER_NUMBER, purpose="ben").error_code == "misconfigured"

    def test_the_alert_of_one_key_does_not_suppress_that_of_another(self, keys: Simulator, heard: Heard) -> None:
        for key in (ADA_KEY, BEN_KEY):
            keys.revoke_key(key)

        services.start_verification(NUMBER, purpose="ada")
        services.start_verification(OTHER_NUMBER, purpose="ben")

        alerts = [(told["kind"], told["key_name"]) for name, told in heard.told if name == "alert"]
        assert alerts == [("misconfigured", "ada"), ("misconfigured", "ben")]

    def test_the_status_of_an_attempt_knows_the_pause_of_its_key(self, keys: Simulator) -> None:
        ada = services.start_verification(NUMBER, purpose="ada")
        ben = services.start_verification(OTHER_NUMBER, purpose="ben")
        let_time_pass(90, keys)
        keys.revoke_key(ADA_KEY)
        services.start_verification("+447400123456", purpose="ada")

        assert services.follow(ben.uuid).call_again_in == 0
        assert services.follow(ada.uuid).call_again_in > 0

    def test_the_budget_of_one_key_is_not_that_of_another(
        self, keys: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(KEY_REQUESTS_PER_MINUTE=2)
        clock = hold_clock(monkeypatch, backend_calls, at=1_900_000_000)
        clock.begin_window(get_backend("ada").key_digest, seconds=63)  # one request each, and longer than any wait
        services.start_verification(NUMBER, purpose="ada")
        with pytest.raises(Unavailable):
            services.start_verification(OTHER_NUMBER, purpose="ada")

        assert services.start_verification(OTHER_NUMBER, purpose="ben").status == "placed"


class TestRotation:
    """``[new key, old key]``."""

    def test_the_new_key_is_used(self, keys: Simulator, configure: Configure) -> None:
        keys.add_key(NEW_KEY)
        configure(API_KEYS={"ada": [NEW_KEY, ADA_KEY]})

        services.start_verification(NUMBER)

        assert tokens(keys) == [NEW_KEY]

    @pytest.mark.codes("telroi")
    def test_a_code_of_the_old_key_is_checked_with_the_new_one(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER)
        keys.add_key(NEW_KEY)
        configure(API_KEYS={"ada": NEW_KEY})
        keys.revoke_key(ADA_KEY)

        result = services.check_code(attempt.uuid, keys.last_code_for(NUMBER))

        assert (str(result.outcome), tokens(keys, "/v1/otp/verify")) == ("verified", [NEW_KEY])

    def test_a_queued_call_of_a_replaced_key_goes_out(
        self, keys: Simulator, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER)
        keys.add_key(NEW_KEY)
        configure(API_KEYS={"ada": NEW_KEY})
        keys.revoke_key(ADA_KEY)

        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.status, tokens(keys)) == ("placed", [NEW_KEY])

    def test_a_new_key_that_telroi_rejects_loses_no_call(
        self, keys: Simulator, configure: Configure, heard: Heard, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(API_KEYS={"ada": [NEW_KEY, ADA_KEY]})

        with caplog.at_level(logging.INFO, logger="django_telroi"):
            attempt = services.start_verification(NUMBER)
            other = services.start_verification(OTHER_NUMBER)

        assert (attempt.status, other.status) == ("placed", "placed")
        assert tokens(keys) == [NEW_KEY, ADA_KEY] * 2
        assert [(told["kind"], told["key_name"]) for name, told in heard.told if name == "alert"] == [
            ("misconfigured", "ada")
        ]
        assert "key_rejected key=ada" in caplog.messages
        assert NEW_KEY not in caplog.text
        assert ADA_KEY not in caplog.text

    @pytest.mark.codes("telroi")
    def test_a_new_key_that_telroi_rejects_loses_no_code(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER)
        configure(API_KEYS={"ada": [NEW_KEY, ADA_KEY]})

        result = services.check_code(attempt.uuid, keys.last_code_for(NUMBER))

        assert str(result.outcome) == "verified"
        assert tokens(keys, "/v1/otp/verify") == [NEW_KEY, ADA_KEY]

    @pytest.mark.parametrize("fault", ["close", "reset", "custom_vendor_500", "rate_limited_key"])
    def test_after_any_other_answer_the_old_key_is_not_used(
        self, keys: Simulator, configure: Configure, fault: str
    ) -> None:
        keys.add_key(NEW_KEY)
        configure(API_KEYS={"ada": [NEW_KEY, ADA_KEY]})
        keys.flood_key(NEW_KEY) if fault == "rate_limited_key" else keys.fail_next(fault)

        services.start_verification(NUMBER)

        assert ADA_KEY not in tokens(keys)

    def test_an_old_key_that_is_no_key_is_not_used(self, keys: Simulator, configure: Configure) -> None:
        configure(API_KEYS={"ada": [NEW_KEY, "tlr_live with a space"]})

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.error_code, tokens(keys)) == ("failed", "misconfigured", [NEW_KEY])

    def test_two_rejected_keys_pause_the_name(self, keys: Simulator, configure: Configure) -> None:
        keys.revoke_key(ADA_KEY)
        configure(API_KEYS={"ada": [NEW_KEY, ADA_KEY], "ben": BEN_KEY})

        assert services.start_verification(NUMBER).error_code == "misconfigured"
        with pytest.raises(Misconfigured):
            services.start_verification(OTHER_NUMBER)
        assert services.start_verification(OTHER_NUMBER, purpose="ben").status == "placed"

    def test_a_function_gives_a_new_key_without_a_restart(self, keys: Simulator, configure: Configure) -> None:
        stored = {"default": ADA_KEY}
        keys.add_key(NEW_KEY)
        configure(API_KEY=None, API_KEYS=lambda: stored)
        services.start_verification(NUMBER)
        stored["default"] = NEW_KEY
        services.start_verification(OTHER_NUMBER)

        assert tokens(keys) == [ADA_KEY, NEW_KEY]

    def test_a_site_with_one_key_rotates_it_without_a_function(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER)
        configure(API_KEY=None, API_KEYS={"default": [NEW_KEY, ADA_KEY]})
        services.start_verification(OTHER_NUMBER)

        assert (attempt.key_name, tokens(keys)) == ("ada", [ADA_KEY, NEW_KEY, ADA_KEY])


class TestARemovedName:
    """No other key is used for the calls of a name that the settings do not have any more."""

    def test_a_queued_call_fails_with_its_own_error(
        self, keys: Simulator, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(API_KEYS={"ada": ADA_KEY})

        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.status, attempt.error_code, sends(keys)) == ("failed", "key_removed", 0)
        refusal = services.follow(attempt.uuid).refusal
        assert refusal is not None
        assert refusal.code == "misconfigured"

    def test_a_queued_call_waits_if_the_keys_cannot_be_read_for_a_moment(
        self, keys: Simulator, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery", API_KEYS=lambda: {"ada": ADA_KEY})
        attempt = services.start_verification(NUMBER)
        configure(API_KEYS=lambda: 1 / 0)

        services.place_call(attempt.pk)
        attempt.refresh_from_db()
        waiting = attempt.status
        configure(API_KEYS=lambda: {"ada": ADA_KEY})
        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (waiting, attempt.status) == ("queued", "placed")

    @pytest.mark.parametrize("site", [{"API_KEYS": {"ada": ADA_KEY}}, {"API_KEYS": {}, "API_KEY": ADA_KEY}])
    @pytest.mark.codes("telroi")
    def test_a_code_of_telroi_cannot_be_checked_and_uses_no_try(
        self, keys: Simulator, configure: Configure, site: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(**site)

        result = services.check_code(attempt.uuid, keys.last_code_for(NUMBER))

        attempt.refresh_from_db()
        assert (str(result.outcome), attempt.tries, attempt.status) == ("unavailable", 0, "placed")
        assert "misconfigured reason=no_key" in caplog.messages
        assert tokens(keys, "/v1/otp/verify") == []

    @pytest.mark.codes("site")
    def test_a_code_of_the_site_is_still_checked(self, keys: Simulator, configure: Configure) -> None:
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(API_KEYS={"ada": ADA_KEY})

        assert str(services.check_code(attempt.uuid, keys.last_code_for(NUMBER)).outcome) == "verified"

    def test_a_plain_key_is_not_used_for_a_named_call(
        self, keys: Simulator, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER, purpose="ben")
        configure(API_KEYS={}, API_KEY=ADA_KEY)

        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.error_code, sends(keys)) == ("key_removed", 0)
        with pytest.raises(Misconfigured):
            get_backend("ben")


class IgnoresTheName(TelroiBackend):
    """A subclass whose constructor takes the name and does not pass it on."""

    def __init__(self, key_name: str = "") -> None:
        super().__init__()


def ignores_the_name() -> TelroiBackend:
    return TelroiBackend()


class TwoAccounts(LocmemBackend):
    """Another provider with an account for each name."""

    account = "main"

    @classmethod
    def for_key(cls, name: str) -> Any:
        backend = cls()
        backend.account = name
        return backend


class TestOwnBackends:
    """The classes of a site."""

    @pytest.mark.parametrize("backend", ["IgnoresTheName", "ignores_the_name"])
    def test_a_backend_of_another_name_places_no_call(
        self, keys: Simulator, configure: Configure, backend: str
    ) -> None:
        configure(BACKEND=f"{__name__}.{backend}", API_KEYS={"default": BEN_KEY, "ada": ADA_KEY})

        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER, purpose="ada")

        assert sends(keys) == 0

    def test_a_backend_of_another_provider_is_told_the_name(self, keys: Simulator, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.TwoAccounts")

        backend = get_backend("ben")

        assert isinstance(backend, TwoAccounts)
        assert (backend.account, backend.key_name, TwoAccounts().account) == ("ben", "ben", "main")
        assert services.start_verification(NUMBER, purpose="ben").key_name == "ben"


class TestTestKeys:
    """A test key and a live key side by side."""

    def test_livemode_is_that_of_the_key(self, keys: Simulator, configure: Configure) -> None:
        configure(API_KEYS={"ada": ADA_KEY, "ben": keys.test_key}, ALLOW_TEST_KEY=["ben"])

        live = services.start_verification(NUMBER, purpose="ada")
        test = services.start_verification(OTHER_NUMBER, purpose="ben")

        assert (live.livemode, test.livemode) == (True, False)
        assert str(services.check_code(test.uuid, "000000").outcome) == "verified"

    def test_a_test_key_under_another_name_places_no_call(self, keys: Simulator, configure: Configure) -> None:
        configure(API_KEYS={"ada": keys.test_key, "ben": keys.test_key}, ALLOW_TEST_KEY=["ben"])

        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER, purpose="ada")

    def test_a_test_call_does_not_verify_once_its_name_is_not_allowed(
        self, keys: Simulator, configure: Configure
    ) -> None:
        configure(API_KEYS={"ada": ADA_KEY, "ben": keys.test_key}, ALLOW_TEST_KEY=["ben"])
        test = services.start_verification(OTHER_NUMBER, purpose="ben")
        configure(ALLOW_TEST_KEY=["ada"])

        assert str(services.check_code(test.uuid, "000000").outcome) == "unavailable"


class TestEvents:
    """An event signed with the secret of one key touches only the attempts of that key."""

    @staticmethod
    def body(attempt: VerificationAttempt, name: str = "otp.failed", call_id: str | None = None) -> bytes:
        at = attempt.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = call_id or attempt.telroi_id or "5f0f2a40-0000-4000-8000-000000000001"
        data = {"id": shown, "to": str(attempt.number), "status": "failed", "reason": "forged"}
        return json.dumps({"event": name, "created_at": at, "data": data}).encode()

    def lost_call(self, keys: Simulator, purpose: str) -> VerificationAttempt:
        keys.fail_next("close")
        attempt = services.start_verification(NUMBER, purpose=purpose)
        assert attempt.status == "unknown"
        return attempt

    @pytest.mark.parametrize("name", ["otp.failed", "otp.completed"])
    def test_a_forged_event_changes_nothing(self, keys: Simulator, name: str) -> None:
        attempt = self.lost_call(keys, "ben")

        effect = services.record_event(read_event(self.body(attempt, name)), key_names=["ada"])

        attempt.refresh_from_db()
        assert (str(effect), attempt.status, attempt.telroi_id) == ("unmatched", "unknown", None)

    def test_an_event_by_id_of_another_key_is_not_on_its_timeline(self, keys: Simulator) -> None:
        attempt = services.start_verification(NUMBER, purpose="ben")

        effect = services.record_event(read_event(self.body(attempt)), key_names=["ada"])

        assert str(effect) == "unmatched"
        assert AttemptEvent.objects.filter(attempt=attempt).count() == 0

    def test_a_forged_copy_does_not_suppress_the_true_event(self, keys: Simulator) -> None:
        attempt = self.lost_call(keys, "ben")
        event = read_event(self.body(attempt))

        forged = services.record_event(event, key_names=["ada"])
        true = services.record_event(event, key_names=["ben"])
        again = services.record_event(event, key_names=["ben"])

        assert [str(effect) for effect in (forged, true, again)] == ["unmatched", "failed", "repeated"]

    def test_a_forged_id_does_not_take_the_id_of_another_call(self, keys: Simulator) -> None:
        """The owner of workspace ada reports the id of a call of ben as that of their own lost call."""
        own = self.lost_call(keys, "ada")
        call_id = "5f0f2a40-0000-4000-8000-00000000000b"
        services.record_event(read_event(self.body(own, "otp.completed", call_id)), key_names=["ada"])
        keys.next_otp(id=call_id)

        theirs = services.start_verification(OTHER_NUMBER, purpose="ben")

        own.refresh_from_db()
        assert (own.telroi_id, theirs.telroi_id, theirs.status) == (call_id, call_id, "placed")

    def test_by_default_an_event_is_about_calls_of_the_plain_key(self, keys: Simulator, configure: Configure) -> None:
        attempt = self.lost_call(keys, "ben")

        assert str(services.record_event(read_event(self.body(attempt)))) == "unmatched"


@pytest.mark.django_db
class TestTheWebhook:
    """The endpoint finds the names of the secrets that signed an event."""

    @pytest.fixture
    def lost(self, keys: Simulator, configure: Configure) -> VerificationAttempt:
        configure(WEBHOOK_SECRETS={"ada": ["whsec_ada"], "ben": ["whsec_old", "whsec_ben"]})
        return TestEvents().lost_call(keys, "ben")

    @pytest.mark.parametrize(
        ("secret", "status", "becomes"),
        [
            ("whsec_ben", 200, "failed"),
            ("whsec_old", 200, "failed"),
            ("whsec_ada", 200, "unknown"),
            ("x", 401, "unknown"),
        ],
    )
    def test_only_the_secret_of_its_key_settles_an_attempt(
        self, lost: VerificationAttempt, client: Any, secret: str, status: int, becomes: str
    ) -> None:
        body = TestEvents.body(lost)

        response = client.post(
            "/telroi/webhook",
            body,
            content_type="application/json",
            headers={"telroi-signature": sign(body, secret)},
        )

        lost.refresh_from_db()
        assert (response.status_code, lost.status) == (status, becomes)

    @pytest.mark.parametrize("secrets", [lambda: {"ben": ["whsec_ben"]}, "tests.services.key_functions.secrets"])
    def test_a_function_may_return_the_secrets(
        self, lost: VerificationAttempt, client: Any, configure: Configure, secrets: object
    ) -> None:
        configure(WEBHOOK_SECRETS=secrets)

        self.test_only_the_secret_of_its_key_settles_an_attempt(lost, client, "whsec_ben", 200, "failed")

    def test_secrets_that_cannot_be_read_are_a_503(
        self, lost: VerificationAttempt, client: Any, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(WEBHOOK_SECRETS=raises(OSError("whsec_ben")))

        self.test_only_the_secret_of_its_key_settles_an_attempt(lost, client, "whsec_ben", 503, "unknown")
        assert "webhook_secrets_failed error=TypeError" in caplog.messages
        assert "whsec" not in caplog.text.replace("WEBHOOK", "")

    def test_a_list_is_for_the_name_default(self, lost: VerificationAttempt, client: Any, configure: Configure) -> None:
        configure(WEBHOOK_SECRETS=["whsec_ben"])

        self.test_only_the_secret_of_its_key_settles_an_attempt(lost, client, "whsec_ben", 200, "unknown")


@pytest.fixture
def fields(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[tuple[str, str | None]]]]:
    with caplog.at_level(logging.DEBUG, logger="django_telroi"):
        yield lambda: [
            (record.telroi_event, getattr(record, "telroi_key", None))  # type: ignore[attr-defined]
            for record in caplog.records
            if hasattr(record, "telroi_event")
        ]


class TestLogFields:
    """The events of a call have the name of its key."""

    def test_every_event_of_a_call_and_a_code_has_it(
        self, keys: Simulator, fields: Callable[[], list[tuple[str, str | None]]]
    ) -> None:
        attempt = services.start_verification(NUMBER, purpose="ben")
        services.check_code(attempt.uuid, wrong(keys.last_code_for(NUMBER)))

        assert ("call_placed", "ben") in fields()
        assert ("telroi_answered", "ben") in fields()
        assert {key for _event, key in fields()} == {"ben"}

    def test_a_site_with_one_key_has_none(
        self, telroi: Simulator, fields: Callable[[], list[tuple[str, str | None]]]
    ) -> None:
        services.start_verification(NUMBER)

        assert {key for _event, key in fields()} == {None}
