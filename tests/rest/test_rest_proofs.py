"""A proof in a serializer of the site: read when it is validated, spent when it is saved."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.db import IntegrityError, connection
from rest_framework.test import APIClient

from django_telroi import services
from django_telroi.errors import ProofRejected
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.rest.fields import ProofField
from django_telroi.services import Proof
from django_telroi.services.sentences import sentence
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.rest.own_site import SignUpSerializer
from tests.rest.world import NUMBER, PhoneApi
from tests.services.world import let_time_pass

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.own_site")]

SENTENCE = sentence(ProofRejected.code)


@pytest.fixture(autouse=True)
def purposes(configure: Configure) -> None:
    configure(PURPOSES=["", "sign-up"])


@pytest.fixture
def proof(api: PhoneApi) -> str:
    return proven(api)


def proven(api: PhoneApi, purpose: str = "sign-up", number: str = NUMBER) -> str:
    token = api.check(api.started(number, purpose=purpose), last_code_for(number)).json()["proof"]
    return str(token)


def sign_up(token: object, username: str = "carla") -> Any:
    body = json.dumps({"username": username, "proof": token})
    return APIClient().post("/sign-up/", body, content_type="application/json")


def test_a_sign_up_turns_a_proof_into_a_verified_phone(proof: str) -> None:
    reply = sign_up(proof)

    assert (reply.status_code, reply.json()) == (201, {"username": "carla"})
    phone = VerifiedPhone.objects.get()
    assert (phone.user.get_username(), phone.number, phone.purpose) == ("carla", NUMBER, "sign-up")


def test_validating_spends_no_proof(proof: str) -> None:
    for _ in range(2):
        serializer = SignUpSerializer(data={"username": "carla", "proof": proof})
        assert serializer.is_valid()

    value = serializer.validated_data["proof"]
    assert isinstance(value, Proof)
    assert (value.number, value.purpose) == (NUMBER, "sign-up")
    assert sign_up(proof).status_code == 201


def test_a_validated_value_shows_neither_its_number_nor_its_token(proof: str) -> None:
    serializer = SignUpSerializer(data={"username": "carla", "proof": proof})
    serializer.is_valid()

    told = repr(serializer.validated_data) + str(serializer.validated_data["proof"])

    assert NUMBER not in told
    assert proof not in told


def another_verifications(token: str) -> str:
    """Return the signature of a proof with the id of another attempt."""
    phone = PhoneNumber.objects.get(number=NUMBER)
    other = VerificationAttempt.objects.create(
        phone=phone, status="placed", dispatch="inline", max_tries=3, expires_at="2030-01-01T00:00:00Z"
    )
    return f"{other.uuid}:{token.partition(':')[2]}"


SPOILED: dict[str, Callable[[str], object]] = {
    "empty": lambda token: "",
    "blank": lambda token: "  ",
    "cut": lambda token: token[:-1],
    "longer": lambda token: token + "x",
    "another id": another_verifications,
    "without signature": lambda token: token.partition(":")[0],
    "our key, another use": lambda token: signing.Signer(salt="another").sign(token.partition(":")[0]),
    "half a surrogate pair": lambda token: token + "\ud800",
    "surrogates alone": lambda token: "\ud800:\ud800",
    "null": lambda token: "\x00" + token,
    "huge": lambda token: token * 1000,
    "a number": lambda token: 7,
    "a list": lambda token: [token],
    "nothing": lambda token: None,
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_changed_proof_is_refused(proof: str, spoil: Callable[[str], object]) -> None:
    reply = sign_up(spoil(proof))

    assert (reply.status_code, list(reply.json())) == (400, ["proof"])
    assert not User.objects.exists()
    assert sign_up(proof).status_code == 201


def test_a_spent_proof_is_refused(proof: str) -> None:
    sign_up(proof)

    reply = sign_up(proof, username="dora")

    assert (reply.status_code, reply.json()) == (400, {"proof": [SENTENCE]})
    assert User.objects.count() == 1


def test_an_old_proof_is_refused(proof: str) -> None:
    let_time_pass(601)

    assert sign_up(proof).json() == {"proof": [SENTENCE]}


def test_a_proof_is_valid_for_almost_ten_minutes(proof: str) -> None:
    let_time_pass(590)

    assert sign_up(proof).status_code == 201


def test_a_proof_for_another_purpose_is_refused(api: PhoneApi) -> None:
    assert sign_up(proven(api, purpose="")).json() == {"proof": [SENTENCE]}


def test_a_verification_with_a_user_has_no_proof(ada: User) -> None:
    api = PhoneApi(ada)

    reply = api.check(api.started(purpose="sign-up"), last_code_for(NUMBER))

    assert reply.json()["proof"] is None


def test_a_failed_sign_up_leaves_its_proof_unspent(proof: str, ada: User) -> None:
    taken = SignUpSerializer(data={"username": "carla", "proof": proof})
    assert taken.is_valid()
    User.objects.create_user("carla")

    with pytest.raises(IntegrityError):
        taken.save()

    assert services.read_proof(proof, purpose="sign-up") == NUMBER


@pytest.mark.django_db(transaction=True)
def test_one_of_fifty_concurrent_sign_ups_with_one_proof_succeeds(proof: str) -> None:
    ready = threading.Barrier(50)

    def ask(which: int) -> int:
        try:
            ready.wait(timeout=30)
            return int(sign_up(proof, username=f"user-{which}").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        statuses = sorted(pool.map(ask, range(50)))

    assert statuses == [201] + [400] * 49
    assert User.objects.count() == VerifiedPhone.objects.count() == 1


def test_a_number_of_another_account_is_an_error_of_the_field(api: PhoneApi, ada: User, configure: Configure) -> None:
    configure(PURPOSES=["", "sign-up"], ONE_ACCOUNT_PER_NUMBER=True)
    services.redeem_proof(proven(api), purpose="sign-up", user=ada)
    let_time_pass(61)
    token = proven(api)

    reply = sign_up(token)

    assert (reply.status_code, reply.json()) == (400, {"proof": [sentence("number_taken")]})
    assert reply.data["proof"][0].code == "number_taken"
    assert services.read_proof(token, purpose="sign-up") == NUMBER


def test_the_field_is_write_only() -> None:
    assert ProofField().write_only
