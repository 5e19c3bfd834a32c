"""The recipes of the docs do what they say, with the real packages and calls to the simulator."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db.models import F
from django.test import AsyncClient, Client

from django_telroi import services
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.bridges.recipes.urls import page

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348031234568"
JSON = "application/json"


@pytest.fixture(autouse=True)
def site(telroi: Simulator, configure: Any) -> None:
    configure(PURPOSES=["", "sign-up"])


def proof_of(client: Client, telroi: Simulator, *, number: str = NUMBER) -> str:
    body = {"number": number, "purpose": "sign-up"}
    started = client.post("/rest/phone/verifications/", body, content_type=JSON).json()
    code = {"code": telroi.last_code_for(number)}
    checked = client.post(f"/rest/phone/verifications/{started['id']}/check/", code, content_type=JSON)
    return str(checked.json()["proof"])


class TestDjRestAuth:
    def register(self, client: Client, name: str, proof: str) -> Any:
        password = "correct horse battery"
        body = {"username": name, "password1": password, "password2": password, "phone_proof": proof}
        return client.post("/rest/registration/", body, content_type=JSON)

    def test_a_registration_with_a_proof_has_a_verified_phone(self, client: Client, telroi: Simulator) -> None:
        answer = self.register(client, "ada", proof_of(client, telroi))

        assert answer.status_code == 201
        assert services.has_verified_phone(User.objects.get(username="ada"), purpose="sign-up")

    def test_a_proof_serves_one_registration(self, client: Client, telroi: Simulator) -> None:
        proof = proof_of(client, telroi)
        self.register(client, "ada", proof)

        answer = self.register(Client(), "eve", proof)

        assert (answer.status_code, list(answer.json())) == (400, ["phone_proof"])
        assert not User.objects.filter(username="eve").exists()

    def test_an_expired_proof_is_an_error_of_its_field(self, client: Client, telroi: Simulator, configure: Any) -> None:
        proof = proof_of(client, telroi)
        VerificationAttempt.objects.update(verified_at=F("verified_at") - timedelta(days=1))

        answer = self.register(client, "ada", proof)

        assert (answer.status_code, list(answer.json())) == (400, ["phone_proof"])
        assert not User.objects.filter(username="ada").exists()

    def test_the_permission_restricts_a_view_after_a_login_with_the_package(
        self, client: Client, telroi: Simulator
    ) -> None:
        self.register(client, "ada", proof_of(client, telroi))
        User.objects.create_user("eve", password="correct horse battery")

        assert [self.status_of_payout(name) for name in ("ada", "eve")] == [200, 403]

    def test_a_login_by_phone_returns_the_token_of_the_package(
        self, client: Client, telroi: Simulator, configure: Any
    ) -> None:
        configure(LOGIN_RESPONSE=page["key_of"], LOGIN_PURPOSES=["sign-up"])
        self.register(client, "ada", proof_of(client, telroi))
        VerificationAttempt.objects.all().delete()
        PhoneNumber.objects.update(calls=[])
        telroi.advance(3600)
        started = Client().post("/rest/log-in/", {"number": NUMBER}, content_type=JSON).json()
        code = {"code": telroi.last_code_for(NUMBER)}

        key = Client().post(f"/rest/log-in/{started['id']}/check/", code, content_type=JSON).json()["key"]

        assert client.get("/rest/payout/", headers={"Authorization": f"Token {key}"}).status_code == 200

    def status_of_payout(self, name: str) -> int:
        client = Client()
        login = {"username": name, "password": "correct horse battery"}
        key = client.post("/rest/auth/login/", login, content_type=JSON).json()["key"]
        return client.get("/rest/payout/", headers={"Authorization": f"Token {key}"}).status_code

    def test_no_proof_is_an_error_of_its_field(self, client: Client) -> None:
        answer = self.register(client, "ada", "")

        assert (answer.status_code, list(answer.json())) == (400, ["phone_proof"])


class TestDjangoNinja:
    def start(self, client: Client, number: str = NUMBER) -> Any:
        return client.post("/api/phone/verifications", {"number": number}, content_type=JSON)

    def check(self, client: Client, of: str, code: str) -> Any:
        return client.post(f"/api/phone/verifications/{of}/check", {"code": code}, content_type=JSON)

    def test_a_number_is_verified_for_the_user(self, client: Client, telroi: Simulator) -> None:
        ada = User.objects.create_user("ada")
        client.force_login(ada)

        started = self.start(client).json()
        assert (started["number"], started["status"]) == ("+234 803 ••• 4567", "placed")
        right = telroi.last_code_for(NUMBER)
        wrong = "".join(str((int(digit) + 1) % 10) for digit in right)
        assert self.check(client, started["id"], wrong).json()["outcome"] == "wrong_code"
        assert self.check(client, started["id"], right).json()["outcome"] == "verified"
        assert services.has_verified_phone(ada)

    def test_refusals_have_their_status_and_sentence(self, client: Client) -> None:
        self.start(client)

        again = self.start(client)
        assert (again.status_code, again.json()["code"]) == (429, "cooldown")
        assert again["Retry-After"] == str(again.json()["retry_after"])
        assert again.json()["detail"].startswith("We called this number a moment ago.")
        assert self.start(client, "call me").status_code == 400

    def test_the_reason_of_a_call_that_failed_is_in_its_status(self, client: Client, telroi: Simulator) -> None:
        telroi.fail_next("unauthorized")

        started = self.start(client).json()

        assert started["status"] == "failed"
        assert services.follow(started["id"]).refusal is not None

    def test_an_unknown_verification_is_not_found(self, client: Client) -> None:
        assert self.check(client, str(uuid.uuid4()), "123456").status_code == 404


class TestAsyncViews:
    def test_a_number_is_verified_and_opens_the_gate(self, telroi: Simulator) -> None:
        ada = User.objects.create_user("ada")

        async def visit() -> None:
            client = AsyncClient()
            await client.aforce_login(ada)
            assert (await client.get("/async/payout/")).status_code == 302
            started = json.loads((await client.post("/async/start/", {"number": NUMBER})).content)
            refused = await client.post("/async/start/", {"number": NUMBER})
            assert (refused.status_code, json.loads(refused.content)["code"]) == (429, "cooldown")
            code = {"code": telroi.last_code_for(NUMBER)}
            checked = json.loads((await client.post(f"/async/check/{started['id']}/", code)).content)
            assert (checked["outcome"], checked["proof"]) == ("verified", None)
            assert json.loads((await client.get("/async/payout/")).content) == {"paid": True}
            assert (await client.post(f"/async/check/{uuid.uuid4()}/", code)).status_code == 404

        async_to_sync(visit)()

    def test_the_reason_of_a_call_that_failed_is_in_the_answer(self, telroi: Simulator) -> None:
        async def visit() -> None:
            telroi.fail_next("unauthorized")
            failed = await AsyncClient().post("/async/start/", {"number": NUMBER})
            assert (failed.status_code, json.loads(failed.content)["code"]) == (503, "misconfigured")

        async_to_sync(visit)()

    def test_a_visitor_without_a_login_gets_a_proof(self, telroi: Simulator) -> None:
        async def visit() -> None:
            client = AsyncClient()
            started = json.loads((await client.post("/async/start/", {"number": NUMBER})).content)
            code = {"code": telroi.last_code_for(NUMBER)}
            checked = json.loads((await client.post(f"/async/check/{started['id']}/", code)).content)
            assert checked["proof"]

        async_to_sync(visit)()


class TestTheChangeOfANumberWithAllauth:
    @pytest.fixture
    def ada(self, client: Client, telroi: Simulator) -> User:
        ada = User.objects.create_user("ada", password="correct horse battery")
        attempt = services.start_verification(NUMBER, user=ada)
        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=ada)
        client.force_login(ada)
        return ada

    @pytest.mark.parametrize("page", ["/phone/change/", "/phone/"])
    def test_asks_for_the_password_first(self, client: Client, ada: User, page: str) -> None:
        answer = client.get(page)
        assert answer["Location"] == f"/accounts/reauthenticate/?next={quote(page, safe='')}"
        answer = client.post(answer["Location"], {"password": "correct horse battery", "next": page})
        assert answer["Location"] == page
        assert client.get(page).status_code == 200

    @pytest.mark.parametrize("page", ["/phone/change/", "/phone/", "/api/phone/verifications/"])
    def test_no_call_is_placed_without_the_password(
        self, client: Client, telroi: Simulator, ada: User, page: str
    ) -> None:
        assert "/accounts/reauthenticate/" in client.post(page, {"number": OTHER_NUMBER})["Location"]

        assert [call.to for call in telroi.calls] == [NUMBER]

    def test_no_number_that_another_session_verified_is_added_without_the_password(
        self, client: Client, telroi: Simulator, ada: User
    ) -> None:
        proof = proof_of(Client(), telroi, number=OTHER_NUMBER)

        answer = client.post("/api/phone/phones/", {"proof": proof, "purpose": "sign-up"}, content_type=JSON)

        assert "/accounts/reauthenticate/" in answer["Location"]
        assert [phone["number"] for phone in client.get("/api/phone/phones/").json()] == [NUMBER]

    @pytest.mark.parametrize("page", ["/phone/", "/api/phone/verifications/"])
    def test_a_visitor_without_a_login_is_called(self, client: Client, telroi: Simulator, page: str) -> None:
        assert client.post(page, {"number": OTHER_NUMBER}).status_code in (201, 302)

        assert [call.to for call in telroi.calls] == [OTHER_NUMBER]
