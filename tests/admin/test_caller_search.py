"""Support searches as callers speak: numbers as they are spelled at home, users and e-mail addresses in any case."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.admin.numbers.number_admin import PhoneNumberAdmin
from django_telroi.errors import ChangedMeanwhile
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, number
from tests.admin.test_attempts_list import make
from tests.conftest import IS_ENCRYPTED
from tests.services.conftest import Configure

pytestmark = pytest.mark.django_db

NIGERIAN = "+2348031230001"
NEVER = "0803 123 9999"
NEVER_CALLED = "phonenumber", "never_called"


def search(client: Client, term: str, model: str = "phonenumber") -> str:
    answer = client.post(url(model, "search"), {"term": term})
    assert answer.status_code == 302
    where = str(answer.headers["Location"])
    digits = "".join(filter(str.isdigit, term))
    assert not digits or digits[-7:] not in where
    return where


def found(client: Client, term: str, model: str = "phonenumber") -> set[int]:
    return {row.pk for row in client.get(search(client, term, model)).context["cl"].result_list}


def stored(number: str, region: str) -> PhoneNumber:
    return PhoneNumber.objects.create(number=number, last4=number[-4:], region=region)


class TestANationalSpelling:
    """It is read in the site's region and in the regions of the stored numbers."""

    @pytest.mark.parametrize(
        "spelling", ["0803 123 0001", "08031230001", "(0803) 123-0001", "2348031230001", "803 123 0001", "٠٨٠٣١٢٣٠٠٠١"]
    )
    @pytest.mark.parametrize("region", ["NG", "US", None])
    def test_opens_the_number(self, staff: Client, configure: Configure, spelling: str, region: str | None) -> None:
        configure(DEFAULT_REGION=region)
        phone = stored(NIGERIAN, "NG")

        assert search(staff, spelling) == url("phonenumber", "change", phone.pk)

    @pytest.mark.parametrize("region", ["GB", None])
    def test_of_several_stored_numbers_shows_all(self, staff: Client, configure: Configure, region: str | None) -> None:
        configure(DEFAULT_REGION=region)
        stored(NIGERIAN, "NG")
        both = {stored("+33612345678", "FR").pk, stored("+212612345678", "MA").pk}

        assert found(staff, "0612345678") == both

    def test_finds_attempts_and_verified_phones(self, staff: Client) -> None:
        row = make(NIGERIAN)
        make("+2348031230002")
        ada = User.objects.create_user("ada")
        verified = VerifiedPhone.objects.create(user=ada, number=NIGERIAN, verified_at=timezone.now())

        assert found(staff, "0803 123 0001", "verificationattempt") == {row.pk}
        assert found(staff, "0803 123 0001", "verifiedphone") == {verified.pk}

    def test_of_a_verified_phone_without_a_row_is_found(self, staff: Client) -> None:
        ada = User.objects.create_user("ada")
        verified = VerifiedPhone.objects.create(user=ada, number=NIGERIAN, verified_at=timezone.now())

        assert found(staff, NIGERIAN, "verifiedphone") == {verified.pk}

    def test_with_a_plus_means_one_number(self, staff: Client) -> None:
        stored("+33612345678", "FR")
        phone = stored("+212612345678", "MA")

        assert search(staff, "+212 6 12 34 56 78") == url("phonenumber", "change", phone.pk)


class TestAUser:
    """Users are found by name and e-mail address in any case."""

    @pytest.mark.parametrize("term", ["ada", "ADA", "ada@example.com", "ADA@EXAMPLE.COM"])
    def test_leads_to_their_numbers(self, staff: Client, term: str) -> None:
        ada = User.objects.create_user("Ada", "Ada@Example.com")
        verified, called = number("0001"), number("0002")
        number("0003")
        VerifiedPhone.objects.create(user=ada, number=verified.number, verified_at=timezone.now())
        make(called.number, user=ada)

        assert found(staff, term) == {verified.pk, called.pk}
        assert len(found(staff, term, "verificationattempt")) == 1
        assert len(found(staff, term, "verifiedphone")) == 1

    def test_with_one_number_opens_it(self, staff: Client) -> None:
        phone = number("0001", owner="ada")

        assert search(staff, "ADA") == url("phonenumber", "change", phone.pk)

    def test_that_differs_by_case_only_is_not_guessed(self, staff: Client) -> None:
        phones = {number("0001", owner="ada").pk, number("0002", owner="ADA").pk}

        assert found(staff, "Ada") == phones

    def test_without_a_number_finds_nothing(self, staff: Client) -> None:
        User.objects.create_user("ada")
        number("0001")

        assert found(staff, "ada") == set()


class TestNothing:
    """Unrelated rows below "Nothing was found" would look like a result."""

    @pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
    def test_shows_no_rows(self, staff: Client, model: str) -> None:
        ada = User.objects.create_user("ada")
        VerifiedPhone.objects.create(user=ada, number=make(NIGERIAN).number, verified_at=timezone.now())

        page = staff.get(search(staff, "nobody@example.com", model))

        assert "Nothing was found." in page.content.decode()
        assert list(page.context["cl"].result_list) == []


class TestANumberThatWasNeverCalled:
    """The admin says so, and staff can block it all the same."""

    @pytest.fixture(autouse=True)
    def _a_nigerian_number_is_stored(self) -> None:
        stored("+2348031230001", "NG")

    @pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
    def test_is_named_masked_from_every_list(self, staff: Client, model: str) -> None:
        html = html_of(staff, search(staff, NEVER, model))

        assert "This number was never called" in html
        assert "+234\xa0803\xa0•••\xa09999" in html
        assert "Nigeria" in html
        assert "8031239999" not in html.replace(" ", "")
        assert "Block it anyway" in html

    def test_is_blocked_with_a_reason(self, staff: Client) -> None:
        where = search(staff, NEVER)

        answer = staff.post(where, {"reason": "asked us to, 0803 123 9999"})

        phone = PhoneNumber.objects.get(number="+2348031239999")
        assert answer.headers["Location"] == url("phonenumber", "change", phone.pk)
        assert (phone.blocked_by, "123 9999" in phone.blocked_reason) == ("grace", False)
        log = LogEntry.objects.get()
        assert (log.object_id, "9999" in log.object_repr, "123" in log.change_message) == (
            str(phone.pk),
            not IS_ENCRYPTED,
            False,
        )

    def test_is_not_blocked_without_a_reason(self, staff: Client) -> None:
        html = staff.post(search(staff, NEVER), {"reason": " "}).content.decode()

        assert "errorlist" in html
        assert PhoneNumber.objects.count() == 1

    def test_asks_which_one_if_several_countries_fit(self, staff: Client) -> None:
        stored("+33699999999", "FR")
        stored("+212699999999", "MA")
        where = search(staff, "0612345678")
        tree = BeautifulSoup(html_of(staff, where), "html.parser")
        choices = {label.text.strip(): label.input["value"] for label in tree.select("label:has(input[type=radio])")}

        assert {words.rpartition(", ")[2] for words in choices} == {"France", "Morocco"}
        assert "errorlist" in staff.post(where, {"reason": "x"}).content.decode()
        moroccan = next(value for words, value in choices.items() if "Morocco" in words)
        staff.post(where, {"reason": "x", "which": moroccan})
        assert PhoneNumber.objects.filter(blocked_at__isnull=False).get().number == "+212612345678"

    def test_is_not_in_the_session(self, staff: Client) -> None:
        search(staff, NEVER)

        assert "8031239999" not in str(dict(staff.session)).replace(" ", "")

    def test_belongs_to_its_session_and_user(self, staff: Client) -> None:
        where = search(staff, NEVER)

        answer = client_with("view_phonenumber", "block_number").get(where)

        assert answer.headers["Location"] == url("phonenumber", "changelist")

    def test_that_is_called_meanwhile_opens(self, staff: Client) -> None:
        where = search(staff, NEVER)
        phone = stored("+2348031239999", "NG")

        for answer in (staff.get(where), staff.post(where, {"reason": "x"})):
            assert answer.headers["Location"] == url("phonenumber", "change", phone.pk)
        assert PhoneNumber.objects.get(pk=phone.pk).blocked_at is None

    def test_is_shown_to_a_viewer_without_the_form(self) -> None:
        viewer = client_with("view_phonenumber")
        where = search(viewer, NEVER)

        assert "Block it anyway" not in html_of(viewer, where)
        assert viewer.post(where, {"reason": "x"}).status_code == 403

    def test_is_not_shown_without_the_permission_to_view_numbers(self) -> None:
        where = search(client_with("view_verificationattempt"), NEVER, "verificationattempt")

        assert where.startswith(url("verificationattempt", "changelist"))

    def test_needs_the_csrf_token(self, grace: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(grace)

        assert client.post(url(*NEVER_CALLED), {"reason": "x"}).status_code == 403

    def test_that_fails_to_be_blocked_says_so(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        where = search(staff, NEVER)

        def fail(*_: Any, **__: Any) -> None:
            raise ChangedMeanwhile

        monkeypatch.setattr(services, "block_number", fail)

        html = staff.post(where, {"reason": "x"}, follow=True).content.decode()

        assert "Nothing was done. Try again." in html
        assert not LogEntry.objects.exists()


def test_a_search_stores_at_most_a_few_numbers(staff: Client) -> None:
    stored("+2348031230001", "NG")
    for last in range(10):
        search(staff, f"0803 123 99{last:02}")

    assert len(staff.session["telroi_never_called"]) == 5
    assert not VerificationAttempt.objects.exists()


@pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
def test_a_masked_number_is_found_by_its_visible_digits(staff: Client, model: str) -> None:
    """People copy a number as a page shows it."""
    row, ada = make(NIGERIAN), User.objects.create_user("ada")
    make("+2348021230001")
    make("+447400120001")
    verified = VerifiedPhone.objects.create(user=ada, number=NIGERIAN, verified_at=timezone.now())
    pk = {"phonenumber": row.phone.pk, "verificationattempt": row.pk, "verifiedphone": verified.pk}[model]
    shown = staff.get(url("phonenumber", "change", row.phone.pk)).context["subtitle"]

    for term in (shown, shown.replace(" ", "\N{NO-BREAK SPACE}"), shown.replace(" ", "")):
        if model == "phonenumber":
            assert search(staff, term, model) == url(model, "change", pk)
        else:
            assert found(staff, term, model) == {pk}
    assert "Nothing was found." in staff.get(search(staff, "+234 905 ••• 0001", model)).content.decode()


@pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
@pytest.mark.parametrize(("term", "shown_to_viewer"), [("+234 803 ••• {last}", True), ("+234 8031 ••• {last}", False)])
def test_a_masked_number_with_more_digits_than_shown_is_a_guess(model: str, term: str, shown_to_viewer: bool) -> None:
    make(NIGERIAN)
    VerifiedPhone.objects.create(user=User.objects.create_user("ben"), number=NIGERIAN, verified_at=timezone.now())
    typed = term.format(last=NIGERIAN[-4:])

    found_by = {}
    for right in ("view_full_number", "view_phonenumber"):
        client = client_with(f"view_{model}", right)
        found_by[right] = "Nothing was found." not in client.get(search(client, typed, model)).content.decode()

    assert found_by == {"view_full_number": True, "view_phonenumber": shown_to_viewer}


@pytest.mark.parametrize(
    ("model", "term"),
    [("verificationattempt", "198.51.100.77"), ("verificationattempt", "eve"), ("phonenumber", "9876")],
)
def test_a_search_that_matches_no_row_says_so(staff: Client, model: str, term: str) -> None:
    make(NIGERIAN)
    User.objects.create_user("eve")

    assert "Nothing was found." in staff.get(search(staff, term, model)).content.decode()


@pytest.mark.parametrize(
    ("permission", "numbers"), [("", 0), ("view_user", 0), ("view_verifiedphone", 1), ("view_verificationattempt", 1)]
)
def test_who_may_not_view_users_of_numbers_does_not_find_them(permission: str, numbers: int) -> None:
    """The list of numbers names no users."""
    ben = User.objects.create_user("ben", email="ben@example.com")
    row = make("+2348031230002", user=ben)
    verified = number("0001", owner="ben")
    client = client_with("view_phonenumber", *filter(None, [permission]))
    expected = {"view_verifiedphone": verified.pk, "view_verificationattempt": row.phone.pk}.get(permission)

    for term in ("ben", "BEN@example.com"):
        where = search(client, term)
        assert (where == url("phonenumber", "change", expected)) if numbers else ("found=" in where)
        if not numbers:
            assert "Nothing was found." in client.get(where).content.decode()


def test_a_verified_number_without_a_call_was_verified_elsewhere(staff: Client) -> None:
    """A site imported it from another package, with or without a row of its own."""
    ada = User.objects.create_user("ada")
    services.record_verification(ada, NIGERIAN, verified_at=timezone.now() - timedelta(days=1))
    imported = "+2348031230007"
    VerifiedPhone.objects.create(user=ada, number=imported, verified_at=timezone.now() - timedelta(days=1))

    with_row = html_of(staff, search(staff, NIGERIAN))
    without_row = html_of(staff, search(staff, imported))

    for page in (with_row, without_row):
        assert "Verified yesterday " in page
        assert "It was verified elsewhere and imported" in page
        assert "never called" not in page.replace("never_called", "").replace("never-called", "")


def test_several_numbers_that_were_never_called_are_several(staff: Client, configure: Configure) -> None:
    configure(DEFAULT_REGION=None)
    stored("+33612345678", "FR")
    stored("+212612345678", "MA")

    page = html_of(staff, search(staff, "0612345679"))

    assert "The spelling is valid in 2 countries" in page
    assert "None of these numbers was ever called" in page


@pytest.mark.parametrize(
    ("number", "chosen", "reason"),
    [
        ("+870 773 111 632", {}, "it is a satellite, premium-rate or similar number."),
        ("+234 803 123 9999", {"BLOCKED_PREFIXES": ["+234803"]}, "the settings of this site exclude its prefix or"),
        ("+234 803 123 9999", {"ALLOWED_LINE_TYPES": ["fixed_line"]}, "exclude its prefix or its type of line."),
        ("+234 803 123 9999", {"ALLOWED_REGIONS": ["GH"]}, "the settings of this site exclude its country."),
        ("+234 803 123 9999", {}, ""),
    ],
)
def test_a_number_that_cannot_be_called_is_told_with_the_reason(
    staff: Client, configure: Configure, number: str, chosen: dict[str, Any], reason: str
) -> None:
    configure(**chosen)

    page = html_of(staff, search(staff, number))

    assert "This number was never called" in page
    assert reason in page
    assert ("is never called:" in page) is bool(reason)


@pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
def test_the_search_has_the_focus(staff: Client, model: str) -> None:
    (focused,) = BeautifulSoup(html_of(staff, url(model, "changelist")), "html.parser").select("[autofocus]")

    assert focused["name"] == "term"


def test_a_number_that_was_never_called_needs_the_permission_to_view_it(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = search(staff, "+2348031239999")
    monkeypatch.setattr(PhoneNumberAdmin, "has_view_permission", lambda self, request, obj=None: obj is None)

    assert staff.get(where).status_code == staff.post(where, {"reason": "x"}).status_code == 403
    assert not PhoneNumber.objects.exists()
