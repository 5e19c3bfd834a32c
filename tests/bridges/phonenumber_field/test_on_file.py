"""The number on file, from the page of django-telroi to the field, and from a form of the site back to the gates."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import models, transaction
from django.test import Client

from django_telroi import services
from django_telroi.contrib.phonenumber_field import IsVerified
from django_telroi.models import VerifiedPhone
from django_telroi.signals import phone_changed
from django_telroi.simulator import Simulator
from tests.bridges.phonenumber_field.people.models import Member, Profile
from tests.bridges.traces import assert_no_traces
from tests.calling_site import Configure
from tests.project.stock_project import BLOCK

NUMBER, NATIONAL = "+31612345678", "06 12345678"
OTHER_NUMBER, OTHER_NATIONAL = "+31687654321", "06 87654321"
PAGE = Path(__file__).parents[3] / "docs" / "integrations" / "phonenumber_field.rst"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def member() -> Any:
    return get_user_model().objects.create_user("kim")


@pytest.fixture
def browser(client: Client, member: Member) -> Client:
    client.force_login(member)
    return client


def post(browser: Client, page: Any, **values: str) -> Any:
    """Send the form of our card that has these fields."""
    for form in BeautifulSoup(page.content, "html.parser").find_all("form"):
        inputs = {each["name"]: each.get("value", "") for each in form.find_all("input") if each.get("name")}
        if values.keys() <= inputs.keys():
            return browser.post(form["action"], {**inputs, **values}, follow=True)
    raise AssertionError(f"no form with {sorted(values)}")


def verify(browser: Client, telroi: Simulator, number: str = NUMBER, path: str = "/phone/") -> Any:
    page = post(browser, browser.get(path, follow=True), number=number)
    return post(browser, page, code=telroi.last_code_for(number))


def test_the_verified_number_is_on_file(browser: Client, member: Member, telroi: Simulator) -> None:
    assert not member.is_phone_verified
    verify(browser, telroi)
    member.refresh_from_db()
    assert member.phone.as_e164 == NUMBER
    assert member.is_phone_verified


def test_another_number_is_asked_for_again(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    assert browser.get("/gated/").content == b"verified: True"

    assert browser.post("/edit/", {"phone": OTHER_NATIONAL}).status_code == 302
    member.refresh_from_db()
    assert member.phone.as_e164 == OTHER_NUMBER
    assert not member.is_phone_verified
    assert browser.get("/gated/").status_code == 302

    page = verify(browser, telroi, OTHER_NUMBER, "/gated/")
    assert page.content == b"verified: True"
    assert list(VerifiedPhone.objects.values_list("number", flat=True)) == [OTHER_NUMBER]


@pytest.mark.parametrize("how", ["update", "bulk_update"])
def test_a_write_without_signals_is_seen_by_the_property_and_not_by_the_gates(
    browser: Client, member: Member, telroi: Simulator, how: str
) -> None:
    verify(browser, telroi)
    if how == "update":
        Member.objects.filter(pk=member.pk).update(phone=OTHER_NUMBER)
    else:
        member.phone = OTHER_NUMBER
        Member.objects.bulk_update([member], ["phone"])

    member = Member.objects.get()
    assert member.phone.as_e164 == OTHER_NUMBER
    assert not member.is_phone_verified
    assert browser.get("/gated/").content == b"verified: False"
    assert VerifiedPhone.objects.get().number == NUMBER


def test_the_same_number_in_another_spelling_stays_verified(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    browser.post("/edit/", {"phone": NATIONAL})
    member.refresh_from_db()
    assert member.is_phone_verified
    assert browser.get("/gated/").status_code == 200


@pytest.fixture
def changes() -> Iterator[list[tuple[str, str, str]]]:
    """Return the numbers and the purpose of each ``phone_changed``."""
    received: list[tuple[str, str, str]] = []

    def receive(old_number: str, new_number: str, purpose: str, **kwargs: object) -> None:
        received.append((str.__str__(old_number), str.__str__(new_number), purpose))

    phone_changed.connect(receive)
    yield received
    phone_changed.disconnect(receive)


def records() -> set[tuple[str, str]]:
    return set(VerifiedPhone.objects.values_list("number", "purpose"))


class TestAChangeOfTheNumber:
    @pytest.fixture(autouse=True)
    def two_purposes(self, configure: Configure, telroi: Simulator, member: Member) -> None:
        configure(PURPOSES=["", "payout"])
        services.record_verification(member, NUMBER, purpose="payout")

    def test_on_the_page_the_owner_of_the_old_number_is_told(
        self, browser: Client, member: Member, telroi: Simulator, changes: list[tuple[str, str, str]]
    ) -> None:
        verify(browser, telroi)
        verify(browser, telroi, OTHER_NUMBER, "/phone/change/")
        member.refresh_from_db()
        assert member.phone.as_e164 == OTHER_NUMBER
        assert changes == [(NUMBER, OTHER_NUMBER, "")]
        assert records() == {(OTHER_NUMBER, ""), (NUMBER, "payout")}

    def test_a_second_number_replaces_the_first(
        self, browser: Client, telroi: Simulator, changes: list[tuple[str, str, str]]
    ) -> None:
        verify(browser, telroi)
        verify(browser, telroi, OTHER_NUMBER, "/phone/")
        assert changes == [(NUMBER, OTHER_NUMBER, "")]
        assert records() == {(OTHER_NUMBER, ""), (NUMBER, "payout")}

    def test_in_a_form_of_the_site_other_purposes_keep_the_number(
        self, browser: Client, telroi: Simulator, changes: list[tuple[str, str, str]]
    ) -> None:
        verify(browser, telroi)
        browser.post("/edit/", {"phone": OTHER_NATIONAL})
        assert records() == {(NUMBER, "payout")}
        assert changes == []


def test_no_number_on_file_is_not_verified(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    browser.post("/edit/", {"phone": ""})
    member.refresh_from_db()
    assert not member.is_phone_verified
    assert not VerifiedPhone.objects.exists()


def test_an_unsaved_number_is_not_verified(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    member.phone = OTHER_NUMBER
    assert not member.is_phone_verified
    member.phone = NUMBER
    assert member.is_phone_verified


def test_a_stale_object_and_other_fields_change_nothing(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    member.first_name = "Kim"
    member.save(update_fields=["first_name"])  # read before the number was verified
    assert VerifiedPhone.objects.exists()
    Member.objects.get().save()
    assert VerifiedPhone.objects.exists()


def test_members_who_verified_before_the_field_existed_keep_their_number(member: Member) -> None:
    services.record_verification(member, NUMBER)
    member.save()
    assert VerifiedPhone.objects.exists()


def test_a_save_that_is_rolled_back_keeps_the_number(browser: Client, member: Member, telroi: Simulator) -> None:
    verify(browser, telroi)
    member.refresh_from_db()
    member.phone = OTHER_NUMBER
    with transaction.atomic():
        member.save()
        transaction.set_rollback(True)
    assert VerifiedPhone.objects.exists()


def test_it_is_read_only(member: Member) -> None:
    with pytest.raises(AttributeError, match="read-only"):
        member.is_phone_verified = True
    assert isinstance(Member.is_phone_verified, IsVerified)


class TestAProfile:
    """The number is in a text field of another model, and has a purpose of its own."""

    @pytest.fixture
    def profile(self, member: Member, configure: Configure, telroi: Simulator) -> Profile:
        configure(PURPOSES=["", "mobile"])
        return Profile.objects.create(member=member)

    def test_only_its_purpose_is_copied(self, browser: Client, profile: Profile, telroi: Simulator) -> None:
        verify(browser, telroi, OTHER_NUMBER)
        profile.refresh_from_db()
        assert profile.mobile is None
        verify(browser, telroi, NUMBER, "/phone/?purpose=mobile")
        profile.refresh_from_db()
        assert profile.mobile == NUMBER
        assert profile.is_mobile_verified
        assert profile.member.phone.as_e164 == OTHER_NUMBER

        profile.mobile = OTHER_NUMBER
        profile.save()
        assert not profile.is_mobile_verified

    def test_a_number_that_another_profile_has_is_logged_without_the_number(
        self, browser: Client, profile: Profile, telroi: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        Profile.objects.create(member=get_user_model().objects.create_user("lou"), mobile=NUMBER)
        caplog.set_level(logging.DEBUG)
        verify(browser, telroi, NUMBER, "/phone/?purpose=mobile")
        profile.refresh_from_db()
        assert profile.mobile is None
        assert "number_not_copied model=people.Profile error=IntegrityError" in caplog.text
        assert_no_traces(caplog, codes=[telroi.last_code_for(NUMBER)], number=NUMBER)

    def test_a_user_without_a_profile_is_logged_and_the_verification_stays(
        self, browser: Client, profile: Profile, telroi: Simulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        member = profile.member
        profile.delete()

        verify(browser, telroi, NUMBER, "/phone/?purpose=mobile")

        assert "number_not_copied model=people.Person error=NoRow" in caplog.text
        assert services.has_verified_phone(member, purpose="mobile")


def test_numbers_that_were_verified_before_are_copied_as_the_page_says(member: Member) -> None:
    services.record_verification(member, NUMBER)
    Member.objects.filter(pk=member.pk).update(phone="")  # as if the field were new
    (copying,) = [match["body"] for match in BLOCK.finditer(PAGE.read_text()) if match["file"] == "copy_numbers.py"]
    page: dict[str, Any] = {}
    exec(re.sub("^   ", "", copying, flags=re.MULTILINE), page)

    page["copy_verified_numbers"]()

    member.refresh_from_db()
    assert member.phone.as_e164 == NUMBER
    assert member.is_phone_verified


class TestChecks:
    def ids(self) -> list[str]:
        found = [message.id or "" for message in checks.run_checks(tags=[checks.Tags.models])]
        return [each for each in found if each.startswith("telroi_phonenumber_field")]

    def test_the_models_of_these_tests_pass(self) -> None:
        assert self.ids() == []

    @pytest.mark.parametrize(
        ("attribute", "value", "id_"),
        [("field", "fone", "E001"), ("user", "owner", "E001"), ("purpose", "login", "E003")],
    )
    def test_a_wrong_name(
        self, configure: Configure, monkeypatch: pytest.MonkeyPatch, attribute: str, value: str, id_: str
    ) -> None:
        configure(PURPOSES=["", "login"], PURPOSES_WITHOUT_RECORD=["login"])
        monkeypatch.setattr(Member.is_phone_verified, attribute, value)
        assert self.ids() == [f"telroi_phonenumber_field.{id_}"]

    def test_a_field_that_is_too_short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        field = Member._meta.get_field("phone")
        assert isinstance(field, models.CharField)
        monkeypatch.setattr(field, "max_length", 15)
        assert "telroi_phonenumber_field.E002" in self.ids()


def test_a_site_writes_one_line() -> None:
    blocks = [match["body"] for match in BLOCK.finditer(PAGE.read_text()) if match["kind"] == "python"]
    lines = [line.strip() for line in blocks[0].splitlines() if "IsVerified(" in line]
    assert lines == ['is_phone_verified = IsVerified("phone")']
