"""``POST phones/``: a proof adds its number to the caller's account."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.services.sentences import sentence
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.rest.world import NUMBER, PhoneApi
from tests.services.world import Heard, before_the_first, let_time_pass

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def purposes(configure: Configure) -> None:
    configure(PURPOSES=["", "payout", "login"], PURPOSES_WITHOUT_RECORD=["login"], ONE_ACCOUNT_PER_NUMBER=True)


def proven(api: PhoneApi, purpose: str = "") -> str:
    proof = api.check(api.started(NUMBER, purpose=purpose), last_code_for(NUMBER)).json()["proof"]
    assert proof
    return str(proof)


@pytest.mark.parametrize("purpose", ["", "payout"])
def test_a_proof_adds_its_number_to_the_account_of_the_caller(api: PhoneApi, ada: User, purpose: str) -> None:
    proof = proven(api, purpose)

    reply = PhoneApi(ada).post("phones/", {"proof": proof, **({"purpose": purpose} if purpose else {})})

    phone = VerifiedPhone.objects.get()
    assert (reply.status_code, phone.user, phone.number, phone.purpose) == (201, ada, NUMBER, purpose)
    assert [reply.json()] == PhoneApi(ada).phones().json()


def test_a_proof_from_before_the_login_adds_its_number(api: PhoneApi, ada: User) -> None:
    started, hers = api.started(NUMBER), PhoneApi(ada)

    checked = hers.check(started, last_code_for(NUMBER)).json()
    assert hers.phones().json() == []
    reply = hers.post("phones/", {"proof": checked["proof"]})

    assert (reply.status_code, reply.json()["number"]) == (201, NUMBER)


def test_a_proof_is_valid_for_one_account(api: PhoneApi, ada: User, ben: User) -> None:
    proof = proven(api)
    PhoneApi(ada).post("phones/", {"proof": proof})

    reply = PhoneApi(ben).post("phones/", {"proof": proof})

    assert (reply.status_code, reply.json()["code"]) == (400, "proof_rejected")
    assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]


@pytest.mark.django_db(transaction=True)
def test_a_user_who_was_deleted_is_told_to_log_in_again(api: PhoneApi, ada: User) -> None:
    """A stateless token outlives its user."""
    proof, hers = proven(api), PhoneApi(ada)
    User.objects.get().delete()

    reply = hers.post("phones/", {"proof": proof})

    assert (reply.status_code, reply.json()["code"]) == (403, "user_not_found")
    assert not VerifiedPhone.objects.exists()
    assert services.read_proof(proof, purpose="") == NUMBER


class TestARepeatedRequest:
    """The answer 201 to the first request was lost."""

    def test_has_the_same_answer_and_sends_one_signal(
        self, api: PhoneApi, ada: User, django_capture_on_commit_callbacks: Any
    ) -> None:
        proof = proven(api)

        with Heard() as heard, django_capture_on_commit_callbacks(execute=True):
            replies = [PhoneApi(ada).post("phones/", {"proof": proof}) for _ in range(3)]

        assert [reply.status_code for reply in replies] == [201] * 3
        assert replies[0].json() == replies[1].json() == replies[2].json()
        assert VerifiedPhone.objects.count() == 1
        assert heard.names == ["phone_verified"]

    def test_during_the_first_one_has_the_same_answer(self, api: PhoneApi, ada: User) -> None:
        proof, first = proven(api), []

        def be_first() -> None:
            first.append(services.add_phone(proof, purpose="", user=ada))

        with before_the_first("SAVEPOINT", be_first):
            second = services.add_phone(proof, purpose="", user=ada)

        assert [second] == first

    def test_with_the_purpose_of_another_verification_is_refused(self, api: PhoneApi, ada: User) -> None:
        proof = proven(api, "payout")
        PhoneApi(ada).post("phones/", {"proof": proof, "purpose": "payout"})

        assert PhoneApi(ada).post("phones/", {"proof": proof}).status_code == 400

    def test_after_the_number_was_forgotten_is_refused(self, api: PhoneApi, ada: User) -> None:
        proof = proven(api)
        PhoneApi(ada).post("phones/", {"proof": proof})
        services.forget_phone(ada, NUMBER)

        assert PhoneApi(ada).post("phones/", {"proof": proof}).json()["code"] == "proof_rejected"
        assert not VerifiedPhone.objects.exists()

    def test_after_staff_moved_the_number_is_refused(self, api: PhoneApi, ada: User, ben: User) -> None:
        proof = proven(api)
        PhoneApi(ada).post("phones/", {"proof": proof})
        services.move_number(NUMBER, user=ben, reason="a contract", actor="grace")

        assert PhoneApi(ada).post("phones/", {"proof": proof}).json()["code"] == "proof_rejected"

    def test_after_ten_minutes_is_refused(self, api: PhoneApi, ada: User) -> None:
        proof = proven(api)
        PhoneApi(ada).post("phones/", {"proof": proof})
        let_time_pass(601)

        assert PhoneApi(ada).post("phones/", {"proof": proof}).json()["code"] == "proof_rejected"

    def test_with_a_proof_that_a_form_spent_without_a_user_is_refused(self, api: PhoneApi, ada: User) -> None:
        proof = proven(api)
        services.redeem_proof(proof, purpose="")
        VerifiedPhone.objects.create(user=ada, number=NUMBER, verified_at=timezone.now())

        assert PhoneApi(ada).post("phones/", {"proof": proof}).json()["code"] == "proof_rejected"


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"proof": "x"}, 400, "proof_rejected"),
        ({"proof": ""}, 400, "proof_rejected"),
        ({"proof": "\x00"}, 400, "proof_rejected"),
        ({"proof": "x", "purpose": "payout"}, 400, "proof_rejected"),
        ({}, 400, "invalid"),
        ({"proof": None}, 400, "invalid"),
        ({"proof": 7}, 400, "invalid"),
        ({"proof": "x", "purpose": "nonsense"}, 400, "invalid_purpose"),
        ({"proof": "x", "purpose": "login"}, 400, "invalid_purpose"),
    ],
)
def test_an_invalid_proof_is_refused(ada: User, asked: dict[str, Any], status: int, code: str) -> None:
    reply = PhoneApi(ada).post("phones/", asked)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.json()["retry_after"] is None


def test_a_proof_for_another_purpose_is_refused_with_a_sentence(api: PhoneApi, ada: User) -> None:
    reply = PhoneApi(ada).post("phones/", {"proof": proven(api), "purpose": "payout"})

    told = {"code": "proof_rejected", "detail": sentence("proof_rejected"), "retry_after": None}
    assert (reply.status_code, reply.json()) == (400, told)


def test_a_number_of_another_account_is_taken_and_its_proof_stays_unspent(api: PhoneApi, ada: User, ben: User) -> None:
    PhoneApi(ada).post("phones/", {"proof": proven(api)})
    let_time_pass(61)
    proof = proven(api)

    reply = PhoneApi(ben).post("phones/", {"proof": proof})

    told = {"code": "number_taken", "detail": sentence("number_taken"), "retry_after": None}
    assert (reply.status_code, reply.json()) == (409, told)
    assert services.read_proof(proof, purpose="") == NUMBER


def test_adding_a_number_needs_a_user(api: PhoneApi) -> None:
    reply = api.post("phones/", {"proof": proven(api)})

    assert reply.json()["code"] == "not_authenticated"
    assert not VerifiedPhone.objects.exists()
