"""People with accounts, on a site with django-allauth and on one with its own user model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.project.account_sites import PASSWORD, SITES, Member, Served, serving

pytestmark = pytest.mark.programs

VERIFIED, ADD = "Your number is verified", "Add to my account"
NUMBERS = (f"+23480312300{each:02}" for each in count(1))


@pytest.fixture(scope="module", params=SITES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("site"), SITES[request.param]) as served:
        yield served


@pytest.fixture
def number() -> str:
    return next(NUMBERS)


def has(member: Member, name: str, number: str) -> bool:
    """Return whether this member is logged in as ``name``, with this number only, also in the user model's field."""
    known = member.knows()
    return (known["name"], known["numbers"], known["copied"] in (number, None)) == (name, [number], True)


def owner(served: Served, name: str, number: str) -> Member:
    """Return a person with an account that has this number."""
    member = served.member().logs_in(served.make_account(name)).asks_for_a_call(number).types_the_code(number)
    assert has(member, name, number)
    return member


def signs_up(member: Member, name: str) -> Member:
    return member.fills(username=name, password1=PASSWORD, password2=PASSWORD)


def test_a_person_who_logs_in_before_typing_the_code_gets_the_number(served: Served, number: str) -> None:
    name = served.make_account("ada")
    member = served.member().asks_for_a_call(number)

    member.logs_in(name, then="/phone/code/").types_the_code(number)

    assert (member.heading(), has(member, name, number)) == (VERIFIED, True)
    assert f"account {name}" in member.card().text
    assert member.opens("/vault/").soup.text == "in the vault"


def test_a_person_who_logs_in_after_the_code_sees_one_button(served: Served, number: str) -> None:
    name = served.make_account("ben")
    member = served.member().asks_for_a_call(number).types_the_code(number)

    member.logs_in(name)
    assert member.knows()["numbers"] == []
    member.opens("/phone/")
    assert ADD in member.buttons()
    member.presses(ADD)

    assert (member.heading(), has(member, name, number)) == (VERIFIED, True)
    assert member.opens("/vault/").soup.text == "in the vault"


def test_a_person_who_signs_up_by_phone_can_remove_and_add_the_number(served: Served, number: str) -> None:
    member = served.member().asks_for_a_call(number, "/accounts/signup/").types_the_code(number)
    assert member.path.startswith("/accounts/signup/")
    signs_up(member, "cleo")
    assert has(member, "cleo", number)

    member.opens("/account/").fills()
    assert member.knows() == {"name": "cleo", "numbers": [], "copied": None}
    assert member.opens("/vault/").heading() != VERIFIED
    member.asks_for_a_call(number).types_the_code(number)

    assert has(member, "cleo", number)
    assert member.opens("/vault/").soup.text == "in the vault"


def test_a_sign_up_needs_a_proof_and_spends_it_once(served: Served, number: str) -> None:
    member = served.member()
    signs_up(member.opens("/accounts/signup/"), "dora")
    assert "Verify your phone first." in member.soup.text

    member.asks_for_a_call(number, "/accounts/signup/").types_the_code(number)
    form = member.soup.find("form", id="site")
    proof = form.find("input", attrs={"name": "phone_proof", "data-telroi-proof": True})["value"]
    signs_up(member, "dora")
    other = served.member()
    signs_up(other.opens("/accounts/signup/"), "dan")
    other.fills(username="dan", password1=PASSWORD, password2=PASSWORD, phone_proof=proof)

    assert has(member, "dora", number)
    assert (other.knows()["name"], served.member().knows()["name"]) == ("", "")


def test_a_number_of_another_account_is_taken(served: Served, number: str) -> None:
    first, name = owner(served, "edna", number), served.make_account("earl")

    second = served.member().logs_in(name).asks_for_a_call(number).types_the_code(number)

    assert second.heading() == "This number is taken"
    assert second.knows() == {"name": name, "numbers": [], "copied": None}
    assert has(first, "edna", number)


def test_a_person_who_verified_a_number_of_another_account_sees_an_error_after_login(
    served: Served, number: str
) -> None:
    first, name = owner(served, "elsa", number), served.make_account("emil")
    second = served.member().asks_for_a_call(number).types_the_code(number)

    second.logs_in(name, then="/phone/")

    assert (second.heading(), second.knows()["numbers"]) == ("This number is taken", [])
    assert has(first, "elsa", number)


def test_a_number_of_another_account_gives_no_second_account(served: Served, number: str) -> None:
    first = owner(served, "fay", number)

    second = served.member().asks_for_a_call(number, "/accounts/signup/").types_the_code(number)
    signs_up(second, "fred")

    assert "another account" in second.soup.text
    assert second.knows()["name"] == ""
    assert has(first, "fay", number)
    served.make_account("fred")  # no account has this name


def test_a_number_that_its_owner_removed_can_be_added_by_another_account(served: Served, number: str) -> None:
    first, name = owner(served, "gina", number), served.make_account("gus")
    first.opens("/account/").fills()

    second = served.member().logs_in(name).asks_for_a_call(number).types_the_code(number)

    assert has(second, name, number)
    assert first.knows()["numbers"] == []


def test_a_person_who_forgot_the_password_logs_in_by_phone(served: Served, number: str) -> None:
    owner(served, "hana", number)
    member = served.member()

    member.asks_for_a_call(number, "/log-in-by-phone/").types_the_code(number)
    member.fills()

    assert (member.path, has(member, "hana", number)) == ("/me/", True)


def test_an_unknown_number_does_not_log_in(served: Served, number: str) -> None:
    member = served.member().asks_for_a_call(number, "/log-in-by-phone/").types_the_code(number)

    member.fills()

    assert member.path.startswith("/accounts/signup/")
    assert member.knows()["name"] == ""


def test_a_login_by_phone_adds_no_number_to_a_logged_in_user(served: Served, number: str) -> None:
    name = served.make_account("ira")
    member = served.member().asks_for_a_call(number, "/log-in-by-phone/")

    member.logs_in(name, then="/log-in-by-phone/").types_the_code(number)

    assert member.knows() == {"name": name, "numbers": [], "copied": None}


def test_the_number_is_in_the_field_of_the_user_model(served: Served, number: str) -> None:
    member = owner(served, "june", number)

    assert member.knows()["copied"] == (number if served.site.copies_numbers else None)
