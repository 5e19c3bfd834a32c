"""Consent: the text that a form showed, its version and the moment are kept with the attempt."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from django_telroi import services
from django_telroi.models import ConsentText, RefusalTally, VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor

pytestmark = pytest.mark.django_db

STARTS = "/api/phone/verifications/"
TEXT, VERSION = "You agree to one automated call.", "2026-11"
CHANGED = "The text that you agree to has changed."


@pytest.fixture(autouse=True)
def site(settings: Any) -> Any:
    settings.TELROI = {"CONSENT_TEXT": TEXT, "CONSENT_VERSION": VERSION, "COOLDOWN_SECONDS": 0}
    settings.ROOT_URLCONF = "tests.limits.site"
    outbox.clear()
    return settings


def kept() -> list[tuple[str, str] | None]:
    attempts = VerificationAttempt.objects.select_related("consent").order_by("pk")
    return [(each.consent.version_name, each.consent.text) if each.consent else None for each in attempts]


def starts(client: Client | None = None, **body: Any) -> Any:
    return (client or Client()).post(STARTS, {"number": NUMBER} | body, "application/json")


@pytest.mark.parametrize("page", ["/phone/", "/here/"])
def test_a_page_keeps_text_version_and_moment(page: str) -> None:
    before = timezone.now() - timedelta(seconds=1)
    Visitor(Client()).opens(page).presses("Call me", number=NUMBER)

    attempt = VerificationAttempt.objects.get()
    assert kept() == [(VERSION, TEXT)]
    assert attempt.consented_at
    assert before < attempt.consented_at < timezone.now() + timedelta(seconds=1)


def test_another_call_keeps_the_consent_of_the_first() -> None:
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER)
    VerificationAttempt.objects.update(consented_at=timezone.now() - timedelta(minutes=2))
    visitor.opens("/phone/code/").presses("Call again")

    first, second = VerificationAttempt.objects.order_by("pk")
    assert kept() == [(VERSION, TEXT)] * 2
    assert first.consented_at == second.consented_at


def test_a_changed_number_keeps_it_too(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.web.change_site"
    ada = User.objects.create_user("ada")
    attempt = services.start_verification(NUMBER, user=ada)
    services.check_code(attempt.uuid, last_code_for(NUMBER), user=ada)
    visitor = Visitor(Client())
    visitor.client.force_login(ada)

    visitor.opens("/phone/change/").presses("Call me", number=OTHER_NUMBER)

    assert kept() == [None, (VERSION, TEXT)]


def test_a_form_with_an_older_text_is_refused_and_shown_again(settings: Any) -> None:
    visitor = Visitor(Client()).opens("/phone/")
    settings.TELROI = {**settings.TELROI, "CONSENT_TEXT": "You agree to two calls."}

    visitor.presses("Call me", number=NUMBER)

    assert (CHANGED in visitor.note(), list(outbox), ConsentText.objects.count()) == (True, [], 0)
    assert visitor.field("number")["value"] == NUMBER
    assert [tally.code for tally in RefusalTally.objects.all()] == ["consent_required"]
    visitor.presses("Call me", number=NUMBER)
    assert kept() == [(VERSION, "You agree to two calls.")]


def test_a_button_after_a_wait_keeps_it(settings: Any) -> None:
    settings.TELROI = {**settings.TELROI, "COOLDOWN_SECONDS": 60}
    services.start_verification(NUMBER)
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER)
    let_time_pass(61)
    settings.TELROI = {**settings.TELROI, "CONSENT_VERSION": "2026-12"}

    visitor.presses("Call me")
    assert CHANGED in visitor.note()
    visitor.presses("Call me")

    assert kept() == [None, ("2026-12", TEXT)]


def test_a_post_without_a_form_gave_no_consent() -> None:
    reply = Client().post("/phone/", {"number": NUMBER}, follow=True)

    assert (CHANGED in reply.content.decode(), list(outbox)) == (True, [])


def test_each_text_is_stored_once_in_each_language(settings: Any) -> None:
    for number in (NUMBER, OTHER_NUMBER):
        Visitor(Client()).opens("/phone/").presses("Call me", number=number)

    assert ConsentText.objects.count() == 1


class TestTheApi:
    def test_keeps_the_version_that_the_client_showed(self) -> None:
        assert starts(consent=VERSION).status_code == 201
        assert kept() == [(VERSION, TEXT)]

    @pytest.mark.parametrize("body", [{}, {"consent": ""}, {"consent": None}, {"consent": "2026-10"}], ids=str)
    def test_refuses_a_call_without_it(self, body: dict[str, Any]) -> None:
        reply = starts(**body)

        assert (reply.status_code, reply.json()["code"], list(outbox)) == (400, "consent_required", [])

    def test_another_call_needs_none(self) -> None:
        uuid = starts(consent=VERSION).json()["id"]

        assert Client().post(f"{STARTS}{uuid}/call-again/", {}, "application/json").status_code == 201
        assert kept() == [(VERSION, TEXT)] * 2


@pytest.mark.parametrize("left_out", ["CONSENT_TEXT", "CONSENT_VERSION"])
def test_a_site_without_text_or_version_keeps_and_requires_nothing(settings: Any, left_out: str) -> None:
    settings.TELROI = {key: value for key, value in settings.TELROI.items() if key != left_out}

    Visitor(Client()).opens("/phone/").presses("Call me", number=OTHER_NUMBER)
    assert starts(consent="any").status_code == 201

    assert (kept(), ConsentText.objects.count()) == ([None, None], 0)


def test_staff_and_commands_need_none() -> None:
    services.start_verification(NUMBER)

    assert (kept(), len(outbox)) == ([None], 1)


def test_the_export_has_text_version_and_moment() -> None:
    starts(consent=VERSION)

    held = json.loads(json.dumps(services.export_number(NUMBER)))

    (attempt,), (text,) = held["attempts"], held["consents"]
    assert (text["id"], text["version_name"], text["text"]) == (attempt["consent"], VERSION, TEXT)
    assert attempt["consented_at"]


def test_an_erasure_and_a_purge_leave_no_consent_of_a_person(settings: Any) -> None:
    starts(consent=VERSION)
    starts(number=OTHER_NUMBER, consent=VERSION)
    services.erase_number(NUMBER, actor="ada")
    let_time_pass(91 * 86400)
    assert services.purge().attempts == 1

    assert (VerificationAttempt.objects.count(), ConsentText.objects.count()) == (0, 1)


def test_staff_see_it_on_the_page_of_the_attempt(admin_client: Client, settings: Any) -> None:
    starts(consent=VERSION)
    settings.ROOT_URLCONF = "tests.urls"

    with override("en"):
        url = f"/admin/django_telroi/verificationattempt/{VerificationAttempt.objects.get().pk}/change/"
        html = admin_client.get(url).content.decode()

    assert TEXT in html
    assert f"version {VERSION}" in html
