"""A proof in the forms of a site: read when a form is validated, spent when it is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from django.test import Client

from django_telroi import services
from django_telroi.errors import NumberTaken, ProofRejected
from django_telroi.models import VerifiedPhone
from django_telroi.services import Proof
from django_telroi.services.sentences import sentence
from django_telroi.testing import last_code_for
from django_telroi.web.forms import ProofField
from tests.services.world import let_time_pass
from tests.web.gated_site import SignUpForm
from tests.web.visitor import NUMBER, OTHER_NUMBER, SPELLING, Visitor, last

pytestmark = [pytest.mark.urls("tests.web.gated_site"), pytest.mark.django_db]


def proven(purpose: str = "signup", number: str = NUMBER) -> str:
    attempt = services.start_verification(number, purpose=purpose)
    proof = services.check_code(attempt.uuid, last_code_for(number)).proof
    assert proof
    return proof


def form_with(proof: str, username: str = "carla") -> SignUpForm:
    return SignUpForm({"username": username, "phone_proof": proof})


def proofs_of(visitor: Visitor) -> dict[str, str]:
    """Return the data that the form of the page sends."""
    visitor.opens("/proof/")
    return {
        each["name"]: each["value"]
        for each in visitor.soup.find_all("input", type="hidden")
        if each["name"] in ("phone_proof", "other")
    }


def signs_up(visitor: Visitor, username: str = "carla", page: str = "/sign-up/") -> str:
    """Send the form of the page like a browser, with all fields in order."""
    return sends_the_form(visitor.opens(page), username)


def sends_the_form(visitor: Visitor, username: str = "carla") -> str:
    """Return the form of the page that the visitor sees."""
    form = visitor.soup.find(id="sign-up")
    fields: dict[str, Any] = {}
    for each in form.find_all("input"):
        fields.setdefault(each["name"], []).append(each.get("value", ""))
    fields["username"] = username
    return visitor.sends(visitor.path, fields).soup.text


def test_a_person_verifies_a_phone_and_signs_up_on_one_page(visitor: Visitor) -> None:
    visitor.opens("/sign-up/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))
    assert (visitor.path, visitor.heading()) == ("/sign-up/", "Your number is verified")

    assert signs_up(visitor) == "welcome carla"

    phone = VerifiedPhone.objects.get()
    assert (phone.user.get_username(), phone.number, phone.purpose) == ("carla", NUMBER, "signup")


def test_a_form_without_a_verification_shows_an_error(visitor: Visitor) -> None:
    assert "Verify your phone first." in signs_up(visitor)
    assert not User.objects.exists()


def test_validating_a_form_spends_no_proof() -> None:
    token = proven()

    forms = [form_with(token), form_with(token)]

    assert all(form.is_valid() for form in forms)
    value = forms[0].cleaned_data["phone_proof"]
    assert type(value) is Proof
    assert (value.number, value.purpose) == (NUMBER, "signup")
    assert NUMBER not in repr(forms[0].cleaned_data)
    assert token not in repr(forms[0].cleaned_data)
    assert services.read_proof(token, purpose="signup") == NUMBER


SPOILED: dict[str, Callable[[str], str]] = {
    "cut": lambda token: token[:-1],
    "longer": lambda token: token + "x",
    "without signature": lambda token: token.partition(":")[0],
    "null": lambda token: "\x00" + token,
    "half a surrogate pair": lambda token: token + "\ud800",
    "huge": lambda token: token * 1000,
    "of another purpose": lambda token: proven("", OTHER_NUMBER),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_an_invalid_proof_is_refused_with_a_sentence(spoil: Callable[[str], str]) -> None:
    errors = form_with(spoil(proven())).errors.as_data()

    (error,) = errors["phone_proof"]
    assert (error.code, error.messages) == ("proof_rejected", [sentence(ProofRejected.code)])


def test_an_expired_and_a_spent_proof_have_the_same_error() -> None:
    spent, old = form_with(proven()), proven(number=OTHER_NUMBER)
    assert spent.is_valid()
    spent.save()
    let_time_pass(601)

    for form in (form_with(spent.data["phone_proof"], "dora"), form_with(old, "dora")):
        assert [error.code for error in form.errors.as_data()["phone_proof"]] == ["proof_rejected"]


def test_the_second_of_two_sign_ups_with_one_proof_creates_no_user() -> None:
    token = proven()
    first, second = form_with(token), form_with(token, "dora")
    assert first.is_valid()
    assert second.is_valid()

    first.save()
    with pytest.raises(ProofRejected):
        second.save()

    assert [user.get_username() for user in User.objects.all()] == ["carla"]


@pytest.mark.parametrize("page", ["/sign-up/", "/sign-up-last/"])
def test_a_form_that_is_shown_again_has_the_proof_of_the_newest_verification(visitor: Visitor, page: str) -> None:
    verifies(visitor, NUMBER)
    assert "required" in signs_up(visitor, "", page)
    verifies(Visitor(visitor.client), OTHER_NUMBER)

    fresh = visitor.client.get("/proof/").content.decode()
    form = visitor.soup.find(id="sign-up")
    for tag in form.find_all(attrs={"data-telroi-proof": True}):  # like our script
        tag["value"] = fresh.partition('name="other" value="')[2].partition('"')[0]

    assert sends_the_form(visitor) == "welcome carla"
    assert VerifiedPhone.objects.get().number == OTHER_NUMBER


def verifies(visitor: Visitor, number: str) -> None:
    visitor.opens("/phone/?purpose=signup").presses("Call me", number=number)
    visitor.presses("Verify", code=last_code_for(number))


@pytest.fixture
def spent_while_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another request spends the proof between validating the form and saving it."""
    redeem = Proof.redeem

    def redeem_late(proof: Proof, **options: Any) -> str:
        redeem(proof)
        return redeem(proof, **options)

    monkeypatch.setattr(Proof, "redeem", redeem_late)


@pytest.mark.usefixtures("spent_while_saving")
@pytest.mark.parametrize("page", ["/sign-up/", "/sign-up-view/", "/sign-up-model/"])
def test_a_proof_that_is_spent_while_the_form_saves_is_a_form_error(visitor: Visitor, page: str) -> None:
    verifies(visitor, NUMBER)

    answer = signs_up(visitor, page=page)

    assert sentence(ProofRejected.code) in answer
    assert (last(visitor).status_code, User.objects.count()) == (200, 0)


@pytest.mark.parametrize("page", ["/sign-up/", "/sign-up-view/", "/sign-up-model/"])
def test_a_number_of_another_account_is_a_form_error(visitor: Visitor, site: Any, page: str) -> None:
    site.TELROI = {**site.TELROI, "ONE_ACCOUNT_PER_NUMBER": True}
    services.redeem_proof(proven(), purpose="signup", user=User.objects.create_user("ada"))
    let_time_pass(61)
    verifies(visitor, NUMBER)

    answer = signs_up(visitor, page=page)

    assert sentence(NumberTaken.code) in answer
    assert [user.get_username() for user in User.objects.all()] == ["ada"]


@pytest.mark.usefixtures("spent_while_saving")
def test_a_view_without_exception_handling_answers_400(visitor: Visitor) -> None:
    verifies(visitor, NUMBER)
    visitor.client.raise_request_exception = False

    signs_up(visitor, page="/sign-up-bare/")

    assert last(visitor).status_code == 400


def test_a_model_form_creates_an_account(visitor: Visitor) -> None:
    verifies(visitor, NUMBER)

    signs_up(visitor, page="/sign-up-model/")

    assert VerifiedPhone.objects.get().user.get_username() == "carla"


def test_a_failed_sign_up_leaves_its_proof_unspent() -> None:
    token = proven()
    User.objects.create_user("carla")
    form = form_with(token)
    assert form.is_valid()

    with pytest.raises(IntegrityError):
        form.save()

    assert services.read_proof(token, purpose="signup") == NUMBER


def test_a_proof_can_be_omitted_if_it_is_not_required() -> None:
    assert ProofField(required=False).clean("") is None


def test_the_page_has_a_proof_for_each_purpose_only_in_its_own_session(visitor: Visitor) -> None:
    assert proofs_of(visitor) == {}

    visitor.opens("/phone/?purpose=signup").presses("Call me", number=SPELLING)
    assert proofs_of(visitor) == {}
    visitor.sends("/phone/code/?purpose=signup", {"code": last_code_for(NUMBER)})

    (name,) = proofs = proofs_of(visitor)
    assert name == "other"
    assert services.read_proof(proofs[name], purpose="signup") == NUMBER
    assert proofs_of(Visitor(Client())) == {}


@pytest.fixture
def verified(visitor: Visitor) -> Visitor:
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))
    assert list(proofs_of(visitor)) == ["phone_proof"]
    return visitor


def test_an_unusable_proof_is_not_in_the_form(verified: Visitor) -> None:
    let_time_pass(601)

    assert proofs_of(verified) == {}


def test_a_spent_proof_is_not_in_the_form(verified: Visitor) -> None:
    services.redeem_proof(proofs_of(verified)["phone_proof"], purpose="")

    assert proofs_of(verified) == {}


def test_another_call_removes_the_proof(verified: Visitor) -> None:
    verified.opens("/phone/").presses("Call me", number=OTHER_NUMBER)

    assert proofs_of(verified) == {}


def test_a_broken_session_has_no_proof(verified: Visitor) -> None:
    session = verified.client.session
    session["telroi"] = {"": {"attempt": "nonsense"}}
    session.save()

    assert proofs_of(verified) == {}


def test_an_attempt_with_a_user_needs_no_proof(visitor: Visitor) -> None:
    visitor.client.force_login(User.objects.create_user("ada"))
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert proofs_of(visitor) == {}


def test_an_unknown_purpose_in_a_template_raises_an_error(client: Client) -> None:
    with pytest.raises(ImproperlyConfigured, match='phone_proof: the purpose "nonsense"'):
        client.get("/proof-of-nonsense/")
