"""Numbers of app reviewers: never called, one fixed code, limited and recorded."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections
from django.test import Client
from django.utils import timezone
from django.views.debug import SafeExceptionReporterFilter

from django_telroi import services, signals
from django_telroi.admin.shared.ring import ring_words
from django_telroi.domain.typed_codes import is_strong_code
from django_telroi.errors import NotCallable, ProofRejected
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt
from django_telroi.services.shared.reviewers import count_reviewer_login
from django_telroi.testing import outbox
from tests.login.conftest import Configure, account
from tests.login.test_login_attacks import API, post
from tests.login.test_login_checks import ids
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor

CODE = "7390284615"
WRONG = "7390284616"


@pytest.fixture(autouse=True)
def reviewed(configure: Configure) -> None:
    configure(
        REVIEWER_SECRET_NUMBERS=[NUMBER], REVIEWER_SECRET_NUMBERS_IN_PRODUCTION=[NUMBER], REVIEWER_SECRET_CODE=CODE
    )


def login(client: Client, code: str = CODE) -> Any:
    reply = post(client, API, number=NUMBER)
    assert reply.status_code == 201, reply.json()
    return post(client, f"{API}{reply.json()['id']}/check/", code=code)


def without_limits() -> dict[str, Any]:
    return {"COOLDOWN_SECONDS": 0, "CALLS_PER_HOUR": 100, "CALLS_PER_DAY": 100, "RATES": None}


class TestTheLogin:
    def test_rings_no_phone(self, ada: User) -> None:
        client = Client()

        reply = login(client)

        assert (reply.status_code, client.get("/home/").content) == (200, b"home of ada")
        assert outbox == []

    @pytest.mark.parametrize("has_user", [True, False])
    def test_gives_a_proof_that_only_logs_in(self, ada: User, has_user: bool) -> None:
        attempt = services.start_verification(NUMBER, purpose="login")
        proof = services.check_code(attempt.uuid, CODE).proof
        assert proof

        with pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="login", user=User.objects.create_user("eve") if has_user else None)

    def test_is_not_shown_as_a_call_that_rang(self, ada: User) -> None:
        login(Client())

        assert ring_words(VerificationAttempt.objects.get()) == "not called: it is the number of an app reviewer"

    def test_works_on_the_page(self, ada: User, visitor: Visitor) -> None:
        visitor.opens("/log-in/").presses("Call me", number=NUMBER)
        assert visitor.soup.label.text == "10-digit code"

        visitor.presses("Log in", code=CODE)

        assert (visitor.path, outbox) == ("/home/", [])

    def test_works_without_a_worker(self, ada: User, configure: Configure, telroi: Any) -> None:
        configure(DISPATCH="celery")

        assert login(Client()).status_code == 200
        assert [request for request in telroi.requests if request.path == "/v1/otp"] == []

    def test_works_while_the_provider_makes_the_codes(self, ada: User, configure: Configure, telroi: Any) -> None:
        configure(CODES="telroi")

        assert login(Client()).status_code == 200
        assert telroi.requests == []

    def test_another_number_does_not_take_the_code(self, visitor: Visitor) -> None:
        account("bob", OTHER_NUMBER)
        visitor.opens("/log-in/").presses("Call me", number=OTHER_NUMBER).presses("Log in", code=CODE)

        assert "_auth_user_id" not in visitor.client.session
        assert visitor.path == "/log-in/code/"

    def test_the_code_works_at_each_login(self, ada: User, configure: Configure) -> None:
        configure(**without_limits())

        assert [login(Client()).status_code for _ in range(2)] == [200, 200]


class TestTheNumberIsNeverCalled:
    @pytest.mark.parametrize("purpose", ["", "payout"])
    def test_for_another_purpose(self, ada: User, purpose: str) -> None:
        with pytest.raises(NotCallable):
            services.start_verification(NUMBER, purpose=purpose)
        with pytest.raises(NotCallable):
            services.read_out(NUMBER, "123456", purpose=purpose)

        assert outbox == []

    @pytest.mark.parametrize(
        "keys",
        [
            {"REVIEWER_SECRET_CODE": None},
            {"REVIEWER_SECRET_CODE": "00000000"},
            {"REVIEWER_SECRET_NUMBERS_IN_PRODUCTION": []},
            {"REVIEWER_SECRET_NUMBERS_IN_PRODUCTION": [OTHER_NUMBER]},
        ],
    )
    def test_if_the_settings_are_incomplete(self, ada: User, configure: Configure, keys: dict[str, Any]) -> None:
        configure(**keys)

        reply = post(Client(), API, number=NUMBER)

        assert (reply.status_code, reply.json()["code"], outbox) == (400, "not_callable", [])

    def test_in_development_it_is_named_once(self, site: Any, ada: User, configure: Configure) -> None:
        site.DEBUG = True
        configure(REVIEWER_SECRET_NUMBERS_IN_PRODUCTION=[])

        assert login(Client()).status_code == 200

    def test_if_the_login_is_not_installed(self, site: Any, ada: User) -> None:
        site.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if app != "django_telroi.contrib.login"]

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER, purpose="login")


class TestItsLimits:
    def test_wrong_codes_are_counted_over_calls(self, ada: User, configure: Configure) -> None:
        configure(**without_limits())
        outcomes = [login(Client(), WRONG).json()["outcome"] for _ in range(10)]

        reply = post(Client(), API, number=NUMBER)

        assert (set(outcomes), reply.json()["code"]) == ({"wrong_code"}, "too_many_wrong_codes")
        assert AttemptEvent.objects.filter(kind=EventKind.CODE_REJECTED).count() == 10

    def test_a_call_has_three_tries(self, ada: User) -> None:
        url = f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/"

        outcomes = [post(Client(), url, code=code).json()["outcome"] for code in (WRONG, WRONG, WRONG, CODE)]

        assert outcomes == ["wrong_code", "wrong_code", "locked", "locked"]

    def test_the_calls_count_like_others(self, ada: User) -> None:
        login(Client())

        reply = post(Client(), API, number=NUMBER)

        assert (reply.status_code, reply.json()["code"]) == (429, "cooldown")

    def test_the_logins_of_a_day_are_limited(self, ada: User, configure: Configure) -> None:
        configure(**without_limits(), REVIEWER_LOGINS_PER_DAY=2)
        client = Client()

        replies = [login(each) for each in (Client(), Client(), client)]

        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert replies[2].json()["code"] == "too_many_requests"
        assert "_auth_user_id" not in client.session
        AttemptEvent.objects.update(at=timezone.now() - timedelta(days=1))
        AttemptEvent.objects.filter(kind=EventKind.REVIEWER_LOGIN).update(digest=None)
        assert login(Client()).status_code == 200

    def test_the_page_says_that_the_day_is_full(self, ada: User, visitor: Visitor, configure: Configure) -> None:
        configure(**without_limits(), REVIEWER_LOGINS_PER_DAY=1)
        login(Client())

        visitor.opens("/log-in/").presses("Call me", number=NUMBER).presses("Log in", code=CODE)

        assert "_auth_user_id" not in visitor.client.session
        assert visitor.path == "/log-in/"
        assert "There were many requests" in visitor.note()
        assert visitor.soup.find("input", {"name": "code"}) is None

    def test_a_login_that_the_limit_refused_leaves_its_proof(self, ada: User, configure: Configure) -> None:
        configure(**without_limits(), REVIEWER_LOGINS_PER_DAY=1)

        assert [login(Client()).status_code for _ in range(2)] == [200, 429]

        assert VerificationAttempt.objects.order_by("-pk")[0].proof_spent_at is None
        assert AttemptEvent.objects.filter(kind=EventKind.LOGGED_IN).count() == 1

    def test_two_requests_with_one_code_take_one_place(self, ada: User, configure: Configure) -> None:
        configure(**without_limits(), REVIEWER_LOGINS_PER_DAY=1)
        attempt = services.start_verification(NUMBER, purpose="login")

        for _ in range(2):
            count_reviewer_login(attempt)

        assert AttemptEvent.objects.filter(kind=EventKind.REVIEWER_LOGIN).count() == 1

    def test_a_place_of_the_day_is_taken_once(self, ada: User, configure: Configure) -> None:
        configure(REVIEWER_LOGINS_PER_DAY=1)
        # Another request has counted the logins at the same time, and was faster.
        AttemptEvent.objects.create(kind=EventKind.ALERT, digest=f"reviewer login {timezone.now():%Y-%m-%d} 0")

        assert login(Client()).status_code == 429

    @pytest.mark.django_db(transaction=True)
    def test_logins_at_the_same_moment_keep_the_limit(self, configure: Configure) -> None:
        configure(**without_limits(), REVIEWER_LOGINS_PER_DAY=2)
        account("ada", NUMBER)
        urls = [f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/" for _ in range(4)]
        ready = threading.Barrier(4)

        def race(url: str) -> int:
            try:
                ready.wait()
                return int(post(Client(), url, code=CODE).status_code)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(4) as pool:
            statuses = sorted(pool.map(race, urls))

        assert statuses == [200, 200, 429, 429]


class TestItsRecord:
    def test_each_use_is_logged_and_the_alert_is_raised(self, ada: User, caplog: pytest.LogCaptureFixture) -> None:
        kinds: list[str] = []

        def hear(sender: type, kind: str, **kwargs: Any) -> None:
            kinds.append(kind)

        signals.alert.connect(hear)
        try:
            with caplog.at_level(logging.INFO, "django_telroi"):
                login(Client())
        finally:
            signals.alert.disconnect(hear)

        attempt = VerificationAttempt.objects.get()
        of_reviewer = [(record.levelname, record.message) for record in caplog.records if "reviewer" in record.message]
        assert of_reviewer == [
            ("WARNING", f"reviewer_number_used attempt={attempt.pk}"),
            ("ERROR", "alert kind=reviewer_number"),
            ("WARNING", f"reviewer_logged_in attempt={attempt.pk}"),
        ]
        assert kinds == ["reviewer_number"]
        assert CODE not in caplog.text

    def test_staff_see_it_in_the_timeline(self, ada: User) -> None:
        login(Client())
        staff = Client()
        staff.force_login(User.objects.create_superuser("staff"))

        page = staff.get(f"/admin/django_telroi/verificationattempt/{VerificationAttempt.objects.get().pk}/change/")

        text = page.content.decode()
        for words in (
            "number of an app reviewer, not called",
            "app reviewer logged in",
            "not called, the code is fixed",
        ):
            assert words in text
        assert "accepted by the provider" not in text
        assert CODE not in text

    def test_an_error_report_hides_the_numbers_and_the_code(self, configure: Configure) -> None:
        configure(NUMBER_KEYS=["a key of at least 32 characters, for tests"])

        shown = str(SafeExceptionReporterFilter().get_safe_settings()["TELROI"])

        assert "REVIEWER_SECRET_NUMBERS" in shown
        assert [secret for secret in (NUMBER, CODE, "a key of") if secret in shown] == []

    def test_the_code_is_in_no_row(self, ada: User) -> None:
        login(Client())

        rows = [*VerificationAttempt.objects.values(), *AttemptEvent.objects.values(), *PhoneNumber.objects.values()]

        assert CODE not in str(rows)


@pytest.mark.parametrize(
    ("code", "is_strong"),
    [
        (CODE, True),
        ("73902846", True),
        ("7390284", False),
        ("73902846150", False),
        ("00000000", False),
        ("12345678", False),
        ("73901234", False),
        ("97531860", False),
        ("73907390", False),
        ("11223344", False),
        ("7390284a", False),
        ("٧٣٩٠٢٨٤٦", False),
        ("", False),
    ],
)
def test_easy_codes_are_rejected(code: str, is_strong: bool) -> None:
    assert is_strong_code(code) is is_strong


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, []),
        ({"REVIEWER_SECRET_CODE": "12345678"}, ["telroi.E026"]),
        ({"REVIEWER_SECRET_CODE": None}, ["telroi.E026"]),
        ({"REVIEWER_SECRET_NUMBERS": ["0803 123 4567"]}, ["telroi.E027"]),
        ({"REVIEWER_SECRET_NUMBERS": ["+449098790000"]}, ["telroi.E027"]),
    ],
)
def test_the_checks_name_what_is_wrong(configure: Configure, keys: dict[str, Any], expected: list[str]) -> None:
    configure(**keys)

    assert ids() == expected


@pytest.mark.parametrize("named", [[], [OTHER_NUMBER], [NUMBER, OTHER_NUMBER]])
def test_production_refuses_numbers_that_are_named_once(configure: Configure, named: list[str]) -> None:
    assert "telroi.E028" not in ids(deploy=True)

    configure(REVIEWER_SECRET_NUMBERS_IN_PRODUCTION=named)

    assert (ids(), "telroi.E028" in ids(deploy=True)) == ([], True)
    with pytest.raises(SystemCheckError, match=r"telroi\.E028"):
        call_command("check", deploy=True, tags=["security"])
