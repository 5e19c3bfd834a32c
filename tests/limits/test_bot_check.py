"""``BOT_CHECK``: it sees the request and its token before anything is spent, once for each start. It fails closed."""

from __future__ import annotations

import threading
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test import Client, RequestFactory

from django_telroi import errors, limits, services
from django_telroi.errors import BotCheckFailed, Misconfigured, TooManyRequests, Unavailable, VerificationRefused
from django_telroi.models import AttemptEvent, PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.limits import site_functions
from tests.limits.conftest import Configure
from tests.limits.site_functions import PERSON
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor

pytestmark = pytest.mark.django_db

STARTS = "/api/phone/verifications/"
SENTENCE = "We could not confirm that a person sent this request."
FUNCTIONS = "tests.limits.site_functions"


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    site_functions.asked.clear()
    site_functions.spent.clear()


@pytest.fixture
def checked(configure: Configure) -> Configure:
    configure(BOT_CHECK=f"{FUNCTIONS}.knows_persons", COOLDOWN_SECONDS=0)
    return configure


def tokens() -> list[str]:
    return [token for _, token in site_functions.asked]


def starts(token: str | None = None, number: str = NUMBER, **headers: str) -> Any:
    body = {"number": number} | ({} if token is None else {"bot_token": token})
    return Client().post(STARTS, body, "application/json", headers=headers)


class TestTheApi:
    def test_calls_with_the_token_of_a_person(self, checked: Configure) -> None:
        assert starts(PERSON).status_code == 201
        assert (tokens(), len(outbox)) == ([PERSON], 1)

    @pytest.mark.parametrize("token", [None, "", "wrong", PERSON + "x", "x" * 8193])
    def test_refuses_without_it(self, checked: Configure, token: str | None) -> None:
        reply = starts(token)

        assert (reply.status_code, reply.json()["code"]) == (403, "bot_check_failed")
        assert SENTENCE in reply.json()["detail"]
        assert list(outbox) == []

    def test_does_not_ask_about_a_token_of_any_length(self, checked: Configure) -> None:
        starts("x" * 8193)
        starts("x" * 8192)

        assert [len(token) for token in tokens()] == [8192]

    def test_asks_again_for_another_call(self, checked: Configure) -> None:
        again = f"{STARTS}{starts(PERSON).json()['id']}/call-again/"

        refused = Client().post(again, {}, "application/json")
        called = Client().post(again, {"bot_token": PERSON}, "application/json")

        assert (refused.status_code, refused.json()["code"], called.status_code) == (403, "bot_check_failed", 201)
        assert tokens() == [PERSON, "", PERSON]

    @pytest.mark.parametrize("token", [5, ["x"], {"a": 1}])
    def test_wants_a_text(self, checked: Configure, token: Any) -> None:
        replies = [
            Client().post(STARTS, {"number": NUMBER, "bot_token": token}, "application/json"),
            Client().post(f"{STARTS}{uuid4()}/call-again/", {"bot_token": token}, "application/json"),
        ]

        assert [(each.status_code, each.json()["code"]) for each in replies] == [(400, "invalid")] * 2

    def test_ignores_a_token_on_a_site_without_a_check(self) -> None:
        assert starts("any").status_code == 201

    def test_passes_the_request(self, checked: Configure, ada: User) -> None:
        client = Client()
        client.force_login(ada)
        client.post(STARTS, {"number": NUMBER, "bot_token": PERSON}, "application/json", HTTP_X_DEVICE="d1")

        ((request, _),) = site_functions.asked
        assert (request.user, request.headers["X-Device"]) == (ada, "d1")


@pytest.mark.parametrize("page", ["/phone/", "/here/"])
class TestThePages:
    def test_call_with_the_token_of_a_person(self, checked: Configure, page: str) -> None:
        visitor = Visitor(Client()).opens(page).presses("Call me", number=NUMBER, bot_token=PERSON)

        assert (visitor.heading(), len(outbox), tokens()) == ("We are calling you", 1, [PERSON])

    def test_refuse_without_it_and_keep_the_number(self, checked: Configure, page: str) -> None:
        visitor = Visitor(Client()).opens(page).presses("Call me", number=NUMBER)

        assert SENTENCE in visitor.note()
        assert visitor.field("number")["value"] == NUMBER
        assert list(outbox) == []

    def test_ask_again_for_another_call(self, checked: Configure, page: str) -> None:
        visitor = Visitor(Client()).opens(page).presses("Call me", number=NUMBER, bot_token=PERSON)
        visitor.opens("/phone/code/" if page == "/phone/" else page)

        assert SENTENCE in visitor.presses("Call again").note()
        assert len(outbox) == 1
        visitor.presses("Call again", bot_token=PERSON)
        assert len(outbox) == 2

    def test_a_code_needs_no_token(self, checked: Configure, page: str) -> None:
        visitor = Visitor(Client()).opens(page).presses("Call me", number=NUMBER, bot_token=PERSON)

        visitor.presses("Verify", code=last_code_for(NUMBER))

        assert "verified" in visitor.heading()
        assert tokens() == [PERSON]


def test_a_call_that_had_to_wait_keeps_its_button(configure: Configure) -> None:
    configure(BOT_CHECK=f"{FUNCTIONS}.knows_persons")
    services.start_verification(NUMBER)
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER, bot_token=PERSON)
    let_time_pass(61)

    visitor.opens("/phone/").presses("Call me")

    assert (SENTENCE in visitor.note(), len(outbox)) == (True, 1)
    visitor.presses("Call me", bot_token=PERSON)
    assert len(outbox) == 2


def test_the_change_of_a_number_is_asked_about(checked: Configure, ada: User) -> None:
    services.start_verification(NUMBER, user=ada)
    attempt = VerificationAttempt.objects.get()
    services.check_code(attempt.uuid, last_code_for(NUMBER), user=ada)
    visitor = Visitor(Client())
    visitor.client.force_login(ada)

    visitor.opens("/phone/change/").presses("Call me", number=OTHER_NUMBER)
    assert (SENTENCE in visitor.note(), len(outbox)) == (True, 1)
    visitor.presses("Call me", number=OTHER_NUMBER, bot_token=PERSON)

    assert (len(outbox), tokens()) == (2, ["", PERSON])


class TestNothingIsSpent:
    def test_a_thousand_bots_ring_nobody_and_use_no_place(self, checked: Configure) -> None:
        checked(RATES={"start": {"ip": "1/h"}})

        codes = {starts("forged").json()["code"] for _ in range(1000)}

        assert codes == {"bot_check_failed"}
        assert (len(outbox), VerificationAttempt.objects.count(), PhoneNumber.objects.count()) == (0, 0, 0)
        assert starts(PERSON).status_code == 201
        (tally,) = RefusalTally.objects.all()
        assert (tally.code, tally.region, tally.count) == ("bot_check_failed", "NG", 1000)

    def test_a_token_is_not_spent_on_an_invalid_number_or_purpose(self, checked: Configure) -> None:
        starts(PERSON, number="+234 803")
        Client().post(STARTS, {"number": NUMBER, "purpose": "x", "bot_token": PERSON}, "application/json")
        starts(PERSON, number="+2347001234567")

        assert tokens() == []

    def test_the_answer_does_not_depend_on_the_number(self, checked: Configure) -> None:
        services.block_number(NUMBER, reason="fraud", actor="ada")

        assert starts("forged").json() == starts("forged", number=OTHER_NUMBER).json()

    def test_the_check_comes_before_the_veto(self, checked: Configure) -> None:
        checked(MAY_START="tests.limits.vetoes.says_no")

        assert starts("forged").json()["code"] == "bot_check_failed"
        assert starts(PERSON).json()["code"] == "not_callable"


class TestEachStartIsAskedAboutOnce:
    @pytest.fixture(autouse=True)
    def _strict(self, configure: Configure) -> None:
        configure(BOT_CHECK=f"{FUNCTIONS}.takes_each_token_once", COOLDOWN_SECONDS=0)

    def test_a_retry_is_not_asked_about(self) -> None:
        key = str(uuid4())

        first, retry = (starts(PERSON, **{"Idempotency-Key": key}) for _ in range(2))

        assert (first.json()["id"], retry.json()["id"], retry.status_code) == (key, key, 201)
        assert tokens() == [PERSON]

    def test_a_used_id_in_a_form_does_not_spend_the_token(self) -> None:
        visitor = Visitor(Client()).opens("/phone/")
        action, fields = visitor.form("Call me")
        visitor.sends(action, {**fields, "number": NUMBER, "bot_token": PERSON})
        services.cancel_verification(VerificationAttempt.objects.latest("pk").uuid)

        visitor.sends(action, {**fields, "number": NUMBER, "bot_token": PERSON + "2"})

        assert (len(outbox), tokens()) == (2, [PERSON, PERSON + "2"])

    def test_a_site_without_rates_asks_once_too(self, configure: Configure) -> None:
        configure(RATES=None)
        key = str(uuid4())

        replies = [starts(PERSON, **{"Idempotency-Key": key}).status_code for _ in range(2)]

        assert (replies, tokens()) == ([201, 201], [PERSON])

    def test_a_refused_start_is_asked_about_again(self) -> None:
        key = str(uuid4())

        replies = [starts(token, **{"Idempotency-Key": key}).status_code for token in ("forged", PERSON)]

        assert (replies, len(outbox)) == ([403, 201], 1)

    def test_one_request_that_starts_twice_is_asked_about_once(self) -> None:
        request = RequestFactory().post("/", {"bot_token": PERSON})

        limits.start_verification(request, NUMBER)
        limits.read_out(request, OTHER_NUMBER, "123456")

        assert (len(outbox), tokens()) == (2, [PERSON])


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="a database in memory has one connection")
def test_of_a_double_click_one_request_is_asked_about(configure: Configure) -> None:
    configure(BOT_CHECK=f"{FUNCTIONS}.takes_each_token_once")
    key, replies, together = str(uuid4()), [], threading.Barrier(2)

    def click() -> None:
        together.wait()
        replies.append(starts(PERSON, **{"Idempotency-Key": key}))
        connection.close()

    clicks = [threading.Thread(target=click) for _ in range(2)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()

    assert {each.json()["id"] for each in replies} == {key}
    assert (len(outbox), tokens()) == (1, [PERSON])


class TestStaffAndCommands:
    def test_are_not_asked(self, checked: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("builtins.input", lambda prompt="": last_code_for(OTHER_NUMBER))
        services.start_verification(NUMBER)
        call_command("telroi_call", OTHER_NUMBER, stdout=StringIO())

        assert (len(outbox), tokens()) == (2, [])


class TestPackagesThatCallForAPerson:
    def test_read_out_takes_the_token_of_the_posted_form(self, checked: Configure) -> None:
        with pytest.raises(BotCheckFailed):
            limits.read_out(RequestFactory().post("/"), NUMBER, "123456")
        limits.read_out(RequestFactory().post("/", {"bot_token": PERSON}), NUMBER, "123456")

        assert len(outbox) == 1

    def test_a_decoy_is_refused_like_a_call(self, checked: Configure) -> None:
        with pytest.raises(BotCheckFailed):
            limits.count_decoy(RequestFactory().post("/"), NUMBER)
        limits.count_decoy(RequestFactory().post("/", {"bot_token": PERSON}), NUMBER)

    def test_a_look_at_the_limits_spends_no_token(self, checked: Configure) -> None:
        limits.check_start(RequestFactory().post("/", {"bot_token": PERSON}), NUMBER)

        assert tokens() == []


@pytest.mark.parametrize(
    ("name", "refusal", "events"),
    [
        ("says_none", BotCheckFailed, []),
        ("says_something_else", Misconfigured, ["site_function_failed setting=BOT_CHECK error=returned dict"]),
        ("fails", Unavailable, ["site_function_failed setting=BOT_CHECK error=ConnectionError"]),
        ("asks_to_wait", TooManyRequests, []),
        ("no_such_name", Misconfigured, ["site_function_failed setting=BOT_CHECK error=ImportError"]),
        ("not_callable", Misconfigured, ["site_function_failed setting=BOT_CHECK error=ImportError"]),
    ],
)
def test_every_result_except_true_refuses(
    configure: Configure,
    caplog: pytest.LogCaptureFixture,
    name: str,
    refusal: type[VerificationRefused],
    events: list[str],
) -> None:
    configure(BOT_CHECK=f"{FUNCTIONS}.{name}")

    with caplog.at_level("INFO", "django_telroi"):
        reply = starts("secret-token")

    assert (reply.status_code, reply.json()["code"]) == (refusal.http_status, refusal.code)
    assert [each for each in caplog.messages if each.startswith("site_function")] == events
    assert "secret-token" not in caplog.text
    assert (list(outbox), VerificationAttempt.objects.count()) == ([], 0)


def test_the_setting_may_be_a_function(configure: Configure) -> None:
    configure(BOT_CHECK=site_functions.knows_persons)

    assert [starts(token).status_code for token in ("", PERSON)] == [403, 201]


def test_the_token_is_in_no_row_and_no_session(checked: Configure, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        for typed in ("wrong-token", PERSON):
            Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER, bot_token=typed)
    kept = [
        *(str(row) for model in (VerificationAttempt, PhoneNumber, AttemptEvent) for row in model.objects.values()),
        *(str(session.get_decoded()) for session in Session.objects.all()),
        caplog.text,
    ]

    assert not [text for text in kept if "wrong-token" in text or PERSON in text]


class TestTheSlot:
    @pytest.fixture
    def _template(self, tmp_path: Path, settings: Any) -> None:
        (tmp_path / "telroi").mkdir()
        widget = '<div class="widget" data-path="{{ request.path }}"></div>'
        (tmp_path / "telroi" / "bot_check.html").write_text(widget)
        (engine,) = settings.TEMPLATES
        settings.TEMPLATES = [{**engine, "DIRS": [tmp_path]}]

    @staticmethod
    def _forms(visitor: Visitor) -> dict[str, int]:
        return {
            form.find_all("button")[-1].text.strip(): len(form.find_all(class_="widget"))
            for form in visitor.card().find_all("form")
        }

    @pytest.mark.usefixtures("_template")
    def test_is_in_every_form_that_starts_a_call_and_in_no_other(self, configure: Configure) -> None:
        visitor = Visitor(Client()).opens("/here/")
        assert self._forms(visitor) == {"Call me": 1}
        assert visitor.card().find(class_="widget")["data-path"] == "/here/"
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        let_time_pass(61)
        visitor.opens("/phone/code/")

        forms = self._forms(visitor)

        assert (forms["Verify"], forms["Call again"], forms["Change number"]) == (0, 1, 0)
        waiting = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER)
        services.start_verification(OTHER_NUMBER)
        waiting = Visitor(Client()).opens("/phone/").presses("Call me", number=OTHER_NUMBER)
        assert self._forms(waiting)["Call me"] == 1

    def test_is_empty_by_default(self) -> None:
        assert "widget" not in str(Visitor(Client()).opens("/phone/").card())


def test_the_refusal_has_its_name() -> None:
    assert errors.BotCheckFailed.http_status == 403
