"""The endpoints answer as those of django-phone-verify do, which run beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import Tags, run_checks
from django.db import connection
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone
from phone_verify.models import SMSVerification

from django_telroi import services
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.phone_verify import sms
from tests.bridges.traces import assert_no_traces
from tests.calling_site import Configure
from tests.limits.site_functions import PERSON

NUMBER, OTHER_NUMBER = "+31612345678", "+31687654321"

pytestmark = pytest.mark.django_db(transaction=True)


def wrong(code: str) -> str:
    return str((int(code) + 1) % 10**6).zfill(6)


class App:
    """An installed app on a phone. It knows the paths, the fields and the answers of django-phone-verify."""

    def __init__(self, prefix: str, code_of: Callable[[str], str]) -> None:
        self.client, self.prefix, self.code_of = Client(), prefix, code_of

    def post(self, path: str, **body: str) -> Any:
        return self.client.post(f"/{self.prefix}/phone/{path}", body, content_type="application/json")

    def register(self, number: str = NUMBER) -> Any:
        return self.post("register", phone_number=number)

    def token(self, number: str = NUMBER) -> str:
        return str(self.register(number).json()["session_token"])

    def verify(self, token: str, code: str, number: str = NUMBER) -> Any:
        return self.post("verify", phone_number=number, session_token=token, security_code=code)


@pytest.fixture
def new(telroi: Simulator) -> App:
    return App("new", telroi.last_code_for)


@pytest.fixture
def apps(new: App) -> tuple[App, App]:
    return App("old", sms.sent.__getitem__), new


def answers(apps: tuple[App, App], act: Callable[[App], Any]) -> list[tuple[int, Any]]:
    return [(answer.status_code, answer.json()) for answer in map(act, apps)]


def same(apps: tuple[App, App], act: Callable[[App], Any]) -> tuple[int, Any]:
    old, new = answers(apps, act)
    assert old == new
    return new


class TestLikeTheOldOnes:
    def test_a_number_is_registered(self, apps: tuple[App, App]) -> None:
        (old_status, old), (new_status, new) = answers(apps, App.register)
        assert old_status == new_status == 200
        assert old.keys() == new.keys() == {"session_token"}

    def test_a_right_code(self, apps: tuple[App, App]) -> None:
        old, new = answers(apps, lambda app: app.verify(app.token(), app.code_of(NUMBER)))
        assert old == (200, {"message": "Security code is valid."})
        assert new[0] == 200
        assert old[1].items() <= new[1].items()

    def test_a_right_code_twice(self, apps: tuple[App, App]) -> None:
        def twice(app: App) -> Any:
            token = app.token()
            app.verify(token, app.code_of(NUMBER))
            return app.verify(token, app.code_of(NUMBER))

        old, new = answers(apps, twice)
        assert old[0] == new[0] == 200
        assert old[1]["message"] == new[1]["message"]

    @pytest.mark.parametrize("number", ["", "123", "not a number", "+31"])
    def test_no_number(self, apps: tuple[App, App], number: str) -> None:
        assert same(apps, lambda app: app.register(number))[0] == 400

    @pytest.mark.parametrize("path", ["register", "verify"])
    def test_missing_fields(self, apps: tuple[App, App], path: str) -> None:
        assert same(apps, lambda app: app.post(path))[0] == 400

    def test_a_wrong_code(self, apps: tuple[App, App]) -> None:
        answer = same(apps, lambda app: app.verify(app.token(), wrong(app.code_of(NUMBER))))
        assert answer == (400, {"non_field_errors": ["Security code is not valid"]})

    def test_text_that_is_no_code(self, apps: tuple[App, App]) -> None:
        same(apps, lambda app: app.verify(app.token(), "abcdef"))

    def test_too_many_wrong_codes(self, apps: tuple[App, App]) -> None:
        def many(app: App) -> Any:
            token = app.token()
            for _ in range(5):
                app.verify(token, wrong(app.code_of(NUMBER)))
            return app.verify(token, app.code_of(NUMBER))

        assert same(apps, many)[1]["non_field_errors"][0].startswith("Too many failed verification attempts.")

    def test_another_token(self, apps: tuple[App, App]) -> None:
        def act(app: App) -> Any:
            app.token()
            return app.verify("another token", app.code_of(NUMBER))

        assert same(apps, act)[1] == {"non_field_errors": ["Security code is not valid"]}

    def test_the_token_of_another_number(self, apps: tuple[App, App]) -> None:
        def act(app: App) -> Any:
            token = app.token(OTHER_NUMBER)
            app.token()
            return app.verify(token, app.code_of(NUMBER))

        assert same(apps, act)[1] == {"non_field_errors": ["Security code is not valid"]}
        assert not VerificationAttempt.objects.filter(tries__gt=0).exists()

    def test_a_code_that_expired(self, apps: tuple[App, App]) -> None:
        def late(app: App) -> Any:
            token = app.token()
            moment = timezone.now() - timedelta(minutes=30)
            SMSVerification.objects.update(created_at=moment)
            VerificationAttempt.objects.update(expires_at=moment, due_at=moment)
            return app.verify(token, app.code_of(NUMBER))

        assert same(apps, late)[1] == {"non_field_errors": ["Security code has expired"]}

    def test_get(self, apps: tuple[App, App]) -> None:
        assert same(apps, lambda app: app.client.get(f"/{app.prefix}/phone/verify"))[0] == 405

    def test_names_and_paths(self) -> None:
        for name in ("phone-register", "phone-verify"):
            path = reverse(name).partition("/phone/")[2]
            assert resolve(f"/new/phone/{path}").url_name == resolve(f"/old/phone/{path}").url_name == name


@pytest.mark.parametrize(
    ("urlconf", "is_warned"), [("django_telroi.contrib.phone_verify.urls", False), ("phone_verify.urls", True)]
)
def test_only_the_new_endpoints_count_as_ours(settings: Any, urlconf: str, is_warned: bool) -> None:
    settings.ROOT_URLCONF = urlconf
    assert ("telroi.W007" in [message.id for message in run_checks(tags=[Tags.urls])]) is is_warned


def test_a_user_who_is_logged_in_owns_the_number(new: App) -> None:
    user = get_user_model().objects.create_user("kim")
    new.client.force_login(user)
    answer = new.verify(new.token(), new.code_of(NUMBER))
    assert answer.json() == {"message": "Security code is valid."}
    assert VerifiedPhone.objects.get().user == user


def test_the_language_of_the_app_is_read_out(new: App) -> None:
    new.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "nl-NL,nl;q=0.9,en;q=0.8"
    new.register()
    assert VerificationAttempt.objects.get().language == "nl-NL"


class TestASignUpOfTheSite:
    """A view of the site that checks the code with the serializer, inside its own transaction."""

    def sign_up(self, app: App, token: str, code: str, username: str = "kim") -> Any:
        body = {"username": username, "phone_number": NUMBER, "session_token": token, "security_code": code}
        return app.client.post("/sign-up", body, content_type="application/json")

    def test_the_new_user_has_the_number(self, new: App) -> None:
        token = new.token()
        assert self.sign_up(new, token, new.code_of(NUMBER)).status_code == 201
        assert VerifiedPhone.objects.get().user.get_username() == "kim"

    def test_a_wrong_code_makes_no_user(self, new: App) -> None:
        token = new.token()
        assert self.sign_up(new, token, wrong(new.code_of(NUMBER))).status_code == 400
        assert not get_user_model().objects.exists()

    def test_after_the_endpoint_checked_the_code(self, new: App) -> None:
        token = new.token()
        new.verify(token, new.code_of(NUMBER))
        assert self.sign_up(new, token, new.code_of(NUMBER)).status_code == 201
        assert VerifiedPhone.objects.count() == 1

    def test_one_code_makes_one_user(self, new: App) -> None:
        token = new.token()
        code = new.code_of(NUMBER)
        self.sign_up(new, token, code)

        again = self.sign_up(new, token, code, username="lou")

        assert (again.status_code, again.json()) == (400, {"non_field_errors": ["Security code is already verified"]})
        assert get_user_model().objects.count() == 1


class TestRefusals:
    def test_a_number_that_is_never_called_is_an_error_of_its_field(self, new: App, telroi: Simulator) -> None:
        answer = new.register("+319001234567")
        assert answer.status_code == 400
        assert answer.json() == {"phone_number": ["We cannot call this number. Try another mobile or landline number."]}
        assert not telroi.calls

    def test_a_cooldown(self, new: App, telroi: Simulator) -> None:
        new.register()
        answer = new.register()
        assert answer.status_code == 429
        assert answer.json()["detail"].startswith("We called this number a moment ago.")
        assert 0 < int(answer["Retry-After"]) <= 60
        assert len(telroi.calls) == 1

    def test_stopped_calls(self, new: App) -> None:
        services.stop_calls(reason="a test", actor="tests")
        answer = new.register()
        assert answer.status_code == 503
        assert answer.json() == {"detail": "Calls are switched off at the moment. Try again later."}

    def test_a_requester_with_many_requests(self, new: App, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "1/h"}})
        new.register()
        assert new.register(OTHER_NUMBER).status_code == 429

    def test_a_call_that_fails(self, new: App, telroi: Simulator) -> None:
        telroi.fail_next("insufficient_funds")
        answer = new.register()
        assert answer.status_code == 503
        assert "session_token" not in answer.json()
        assert new.register().status_code == 200

    def test_a_call_with_an_unknown_outcome_takes_its_code(self, new: App, telroi: Simulator) -> None:
        telroi.fail_next("not_json")
        assert new.verify(new.token(), new.code_of(NUMBER)).status_code == 200

    def test_a_request_without_the_token_of_a_person(self, new: App, configure: Configure) -> None:
        configure(BOT_CHECK="tests.limits.site_functions.knows_persons")

        assert new.register().status_code == 403
        assert new.post("register", phone_number=NUMBER, bot_token=PERSON).status_code == 200

    def test_a_provider_that_judges_and_fails(self, new: App, telroi: Simulator, configure: Configure) -> None:
        configure(CODES="telroi")
        token = new.token()
        telroi.fail_next("proxy_page")
        answer = new.verify(token, new.code_of(NUMBER))
        assert answer.status_code == 503
        assert answer.json() == {"detail": "The code could not be checked. Type the same code again in a moment."}
        assert new.verify(token, new.code_of(NUMBER)).status_code == 200


def test_a_site_with_atomic_requests(new: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert new.verify(new.token(), new.code_of(NUMBER)).status_code == 200


def test_a_worker_places_the_call(new: App, telroi: Simulator, configure: Configure, celery_app: Any) -> None:
    celery_app.conf.task_always_eager = True
    configure(DISPATCH="celery")
    assert new.verify(new.token(), new.code_of(NUMBER)).status_code == 200


def test_no_code_and_no_number_is_logged_or_stored(
    new: App, telroi: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = new.token()
    code = new.code_of(NUMBER)
    new.verify(token, wrong(code))
    new.verify(token, code)
    new.register()
    assert_no_traces(caplog, codes=[code, wrong(code)], number=NUMBER)
