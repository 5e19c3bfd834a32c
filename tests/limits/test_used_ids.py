"""A used id does not avoid the limits. A repeat is answered from its row, every other request is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.limits import vetoes
from tests.limits.conftest import Configure
from tests.limits.faces import Api, Page
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

NUMBERS = [f"+234803{n:07d}" for n in range(1, 62)]
VETO = "tests.limits.vetoes.lets_everybody"


@pytest.fixture(autouse=True)
def _no_veto_was_asked() -> Iterator[None]:
    vetoes.asked.clear()
    yield
    vetoes.asked.clear()


def start(client: Client, number: str, key: str, **fields: str) -> Any:
    body = {"number": number, **fields}
    return client.post("/api/phone/verifications/", body, "application/json", headers={"Idempotency-Key": key})


class TestAUsedKey:
    """For another number, user or purpose, a used id is a new request."""

    def test_for_sixty_other_numbers_reaches_the_rate_and_asks_no_veto(self, configure: Configure) -> None:
        configure(MAY_START=VETO)
        client, key = Client(), str(uuid4())
        start(client, NUMBERS[0], key)

        statuses = [start(client, number, key).status_code for number in NUMBERS[1:]]

        assert (statuses.count(409), statuses.count(429)) == (19, 41)
        assert (len(vetoes.asked), len(outbox)) == (1, 1)

    def test_for_another_purpose_counts(self, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "2/h"}}, PURPOSES=["", "payout"])
        client, key = Client(), str(uuid4())

        statuses = [start(client, NUMBERS[0], key, purpose=purpose).status_code for purpose in ("", "payout", "payout")]

        assert statuses == [201, 409, 429]

    def test_by_another_user_counts(self, configure: Configure, ada: User, ben: User) -> None:
        configure(RATES={"start": {"ip": "2/h"}})
        key, clients = str(uuid4()), [Client(), Client()]
        for client, user in zip(clients, (ada, ben), strict=True):
            client.force_login(user)

        statuses = [start(client, NUMBERS[0], key).status_code for client in (*clients, clients[1])]

        assert statuses == [201, 409, 429]

    def test_for_the_same_request_is_answered_from_its_row(self, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "1/h"}}, MAY_START=VETO)
        client, key = Client(), str(uuid4())

        replies = [start(client, NUMBERS[0], key) for _ in range(5)]

        assert {reply.json()["id"] for reply in replies} == {key}
        assert [reply.status_code for reply in replies] == [201] * 5
        assert (len(vetoes.asked), len(outbox)) == (1, 1)
        assert start(client, NUMBERS[1], str(uuid4())).status_code == 429


class TestCallAgain:
    """Call again counts as a start, also for an unknown attempt."""

    def test_for_unknown_attempts_reaches_the_rate(self, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "3/h"}})
        client = Client()

        statuses = [client.post(f"/api/phone/verifications/{uuid4()}/call-again/").status_code for _ in range(5)]

        assert statuses == [404, 404, 404, 429, 429]

    def test_that_was_placed_is_answered_from_its_row(self, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "2/h"}}, COOLDOWN_SECONDS=0)
        person = Api()
        person.starts(NUMBERS[0])

        answers = [person.client.post(f"/api/phone/verifications/{person.id}/call-again/") for _ in range(4)]

        assert [answer.status_code for answer in answers] == [201] * 4
        assert len(outbox) == 2


class TestChecks:
    """The rate of checks also applies to a verified attempt."""

    @pytest.mark.parametrize("face", [Api, Page])
    def test_of_a_verified_id_count(self, configure: Configure, face: Any) -> None:
        configure(RATES={"check": {"ip": "2/h"}})
        person = face()
        person.starts(NUMBERS[0])
        person.checks(last_code_for(NUMBERS[0]))
        uuid = VerificationAttempt.objects.get().uuid

        others = [Client().post(f"/api/phone/verifications/{uuid}/check/", {"code": "000000"}) for _ in range(3)]

        assert [reply.status_code for reply in others] == [409, 429, 429]


def test_a_form_sent_with_other_numbers_counts_each_time(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "3/h"}})
    person = Page()
    visitor = Visitor(person.client).opens("/phone/")
    action, fields = visitor.form("Call me")

    for number in NUMBERS[:5]:
        visitor.sends(action, {**fields, "number": number})

    assert {call.to for call in outbox} == set(NUMBERS[:3])
