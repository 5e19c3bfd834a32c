"""A user changes their number: the old one counts until the code of the new one was right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_telroi import services
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.signals import phone_changed
from django_telroi.testing import last_code_for, outbox
from tests.services.world import wrong
from tests.web.test_stored_number import text, verify
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.change_site")]


@pytest.fixture
def ada(site: Any) -> User:
    user = User.objects.create_user("ada", is_staff=True)
    verify(user)
    outbox.clear()
    return user


@pytest.fixture
def visitor(ada: User) -> Visitor:
    client = Client()
    client.force_login(ada)
    return Visitor(client)


@pytest.fixture
def changes() -> Iterator[list[dict[str, Any]]]:
    """What the signal ``phone_changed`` was sent with."""
    seen: list[dict[str, Any]] = []

    def note(sender: Any, signal: Any, **sent: Any) -> None:
        seen.append(sent)

    phone_changed.connect(note)
    yield seen
    phone_changed.disconnect(note)


def numbers(user: User, purpose: str = "") -> list[str]:
    return list(services.verified_phones(user).filter(purpose=purpose).values_list("number", flat=True))


def asks_for_a_new_call(visitor: Visitor) -> Visitor:
    return visitor.opens("/phone/change/").presses("Call me", number=OTHER_NUMBER)


def test_a_user_without_a_number_returns_to_the_page_that_linked_here(site: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("ben"))
    visitor = Visitor(client)

    visitor.opens("/phone/change/?next=/account/").presses("Call me", number=NUMBER)
    action, fields = visitor.form("Verify")
    response = client.post(action, fields | {"code": last_code_for(NUMBER)})

    assert response.headers["Location"] == "/account/"


class TestAUserWithNumbersForOtherPurposesOnly:
    """The link of an account page names no purpose. Their number must be changed, and not another one added."""

    @pytest.fixture
    def ben(self, site: Any) -> User:
        site.TELROI = {**site.TELROI, "PURPOSES": ["", "signup", "payout", "gone"], "ANONYMOUS_PURPOSES": []}
        ben = User.objects.create_user("ben")
        for number, purpose in (("+2348031230001", "payout"), (NUMBER, "signup"), ("+2348031230002", "gone")):
            VerifiedPhone.objects.create(user=ben, number=number, purpose=purpose)
        site.TELROI = {**site.TELROI, "PURPOSES": ["", "signup", "payout"]}
        return ben

    @pytest.fixture
    def visitor(self, ben: User) -> Visitor:
        client = Client()
        client.force_login(ben)
        return Visitor(client)

    def test_changes_the_newest_one(self, visitor: Visitor, ben: User) -> None:
        visitor.opens("/phone/change/?next=/account/")

        assert visitor.path == "/phone/change/?purpose=signup&next=%2Faccount%2F"
        assert visitor.heading() == "Change your number"
        visitor.presses("Call me", number=OTHER_NUMBER)
        action, fields = visitor.form("Verify")
        response = visitor.client.post(action, fields | {"code": last_code_for(OTHER_NUMBER)})
        assert response.headers["Location"] == "/account/"
        assert numbers(ben, "signup") == [OTHER_NUMBER]
        assert numbers(ben, "payout") == ["+2348031230001"]
        assert numbers(ben) == []

    def test_adds_one_for_a_purpose_that_the_url_names(self, visitor: Visitor, site: Any) -> None:
        site.TELROI = {**site.TELROI, "PURPOSES": ["", "signup", "payout", "other"]}

        visitor.opens("/phone/change/?purpose=other")

        assert (visitor.path, visitor.heading()) == ("/phone/?purpose=other", "Verify your phone")


class TestTheFlow:
    def test_keeps_the_old_number_until_the_new_one_is_verified(
        self, visitor: Visitor, ada: User, changes: list[dict[str, Any]]
    ) -> None:
        visitor.opens("/phone/change/?next=/account/")
        assert visitor.heading() == "Change your number"
        assert f"Your number is {MASKED}. It stays your number until" in text(visitor)
        assert "New phone number" in text(visitor)

        visitor.presses("Call me", number=OTHER_NUMBER)
        assert (visitor.path, visitor.heading()) == ("/phone/code/", "We are calling you")
        visitor.presses("Verify", code=wrong(last_code_for(OTHER_NUMBER)))
        assert (numbers(ada), changes) == ([NUMBER], [])

        visitor.presses("Verify", code=last_code_for(OTHER_NUMBER))
        assert visitor.path == "/account/"
        assert numbers(ada) == [OTHER_NUMBER]
        assert changes == [{"user": ada, "old_number": NUMBER, "new_number": OTHER_NUMBER, "purpose": ""}]
        assert NUMBER not in repr(changes)
        assert OTHER_NUMBER not in repr(changes)

    def test_ends_on_a_page_that_says_so(self, visitor: Visitor) -> None:
        asks_for_a_new_call(visitor).presses("Verify", code=last_code_for(OTHER_NUMBER))

        assert (visitor.path, visitor.heading()) == ("/phone/done/", "Your number is changed")
        assert "It belongs to your account ada." in text(visitor)
        assert visitor.buttons() == []
        assert visitor.opens("/phone/").form("Call me")[0] == "/phone/"

    def test_returns_to_its_page_after_a_cancellation_and_after_an_error(self, visitor: Visitor, ada: User) -> None:
        asks_for_a_new_call(visitor).presses("Change number")
        assert (visitor.path, visitor.heading()) == ("/phone/change/", "Change your number")

        visitor.presses("Call me", number="call me")
        assert (visitor.path, visitor.field("number")["value"]) == ("/phone/change/", "call me")
        assert visitor.error().startswith("This is not a phone number we know.")
        assert numbers(ada) == [NUMBER]

    @pytest.mark.parametrize("when", ["before the call", "after the call", "another number"])
    def test_can_be_canceled(self, visitor: Visitor, ada: User, when: str) -> None:
        visitor.opens("/phone/change/?next=/account/")
        if when != "before the call":
            visitor.presses("Call me", number=OTHER_NUMBER)
        if when == "another number":
            visitor.presses("Change number")
        action, fields = visitor.form("Cancel and keep my old number")

        answer = visitor.client.post(action, fields)

        assert (answer["Location"], numbers(ada)) == ("/account/", [NUMBER])
        assert not VerificationAttempt.objects.filter(phone__number=OTHER_NUMBER, status="placed").exists()
        assert visitor.opens("/phone/change/").heading() == "Change your number"
        assert visitor.opens("/phone/").form("Call me")[0] == "/phone/"

    def test_offers_no_cancellation_to_a_verification(self, visitor: Visitor) -> None:
        visitor.opens("/phone/").presses("Call me", number=OTHER_NUMBER)

        assert "Cancel and keep my old number" not in visitor.buttons()

    def test_continues_where_it_was(self, visitor: Visitor) -> None:
        asks_for_a_new_call(visitor)

        assert visitor.opens("/phone/change/").path == "/phone/code/"

    def test_rejects_the_number_that_the_user_has(self, visitor: Visitor) -> None:
        visitor.opens("/phone/change/").presses("Call me", number=SPELLING)

        assert visitor.error() == "This is your number already. Type the new one."
        assert not outbox

    def test_changes_nothing_if_the_new_number_is_taken(
        self, visitor: Visitor, ada: User, site: Any, changes: list[dict[str, Any]]
    ) -> None:
        site.TELROI |= {"ONE_ACCOUNT_PER_NUMBER": True, "COOLDOWN_SECONDS": 0}
        verify(User.objects.create_user("grace"), OTHER_NUMBER)

        asks_for_a_new_call(visitor).presses("Verify", code=last_code_for(OTHER_NUMBER))

        assert visitor.heading() == "This number is taken"
        assert (numbers(ada), changes) == ([NUMBER], [])
        visitor.presses("Use another number")
        assert visitor.path == "/phone/change/"

    def test_is_made_with_the_same_code_after_the_process_was_killed(
        self, visitor: Visitor, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asks_for_a_new_call(visitor)
        code = last_code_for(OTHER_NUMBER)

        def die(*args: Any, **kwargs: Any) -> bool:
            raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(services, "change_phone", die)
            with pytest.raises(SystemExit):
                visitor.presses("Verify", code=code)
        assert numbers(ada) == [OTHER_NUMBER, NUMBER]

        visitor.opens("/phone/code/").presses("Verify", code=code)

        assert numbers(ada) == [OTHER_NUMBER]

    def test_leaves_another_verification_alone(self, visitor: Visitor, ada: User) -> None:
        visitor.opens("/phone/change/")
        visitor.opens("/phone/").presses("Call me", number=OTHER_NUMBER)
        visitor.presses("Verify", code=last_code_for(OTHER_NUMBER))

        assert set(numbers(ada)) == {NUMBER, OTHER_NUMBER}

    def test_keeps_the_other_purposes_of_the_old_number(self, visitor: Visitor, ada: User, site: Any) -> None:
        site.TELROI |= {"COOLDOWN_SECONDS": 0}
        verify(ada, NUMBER, "signup")

        asks_for_a_new_call(visitor).presses("Verify", code=last_code_for(OTHER_NUMBER))
        assert (numbers(ada), numbers(ada, "signup")) == ([OTHER_NUMBER], [NUMBER])

        visitor.opens("/phone/change/?purpose=signup").presses("Call me", number=OTHER_NUMBER)
        visitor.presses("Verify", code=last_code_for(OTHER_NUMBER))
        assert numbers(ada, "signup") == [OTHER_NUMBER]

    def test_of_a_user_without_a_number_verifies_one(self, visitor: Visitor) -> None:
        VerifiedPhone.objects.all().delete()

        assert visitor.opens("/phone/change/").path == "/phone/"

    def test_requires_a_login(self, site: Any) -> None:
        for answer in (Client().get("/phone/change/"), Client().post("/phone/change/", {"number": NUMBER})):
            assert answer["Location"] == "/accounts/login/?next=/phone/change/"
        assert not outbox

    def test_has_no_purpose_without_a_record(self, visitor: Visitor, site: Any) -> None:
        site.TELROI |= {"PURPOSES_WITHOUT_RECORD": ["signup"]}
        for purpose in ("signup", "nonsense"):
            assert visitor.opens(f"/phone/change/?purpose={purpose}").statuses[-1] == 400

    def test_never_shows_or_stores_a_full_number(self, visitor: Visitor) -> None:
        asks_for_a_new_call(visitor).presses("Verify", code=last_code_for(OTHER_NUMBER))
        visitor.opens("/phone/change/")

        for answer in visitor.trail:
            assert NUMBER not in answer.content.decode()
            assert OTHER_NUMBER not in answer.content.decode()
        assert NUMBER not in str(dict(visitor.client.session))


class TestReauthentication:
    def test_comes_before_the_form_and_before_the_call(self, visitor: Visitor) -> None:
        assert visitor.client.get("/guarded/")["Location"] == "/password/"
        assert visitor.client.post("/guarded/", {"number": OTHER_NUMBER})["Location"] == "/password/"
        assert not outbox

        assert visitor.opens("/confirm/").heading() == "Change your number"


class TestTheService:
    def test_removes_nothing_unless_the_new_number_is_verified(self, ada: User, changes: list[dict[str, Any]]) -> None:
        for old, new in ((NUMBER, OTHER_NUMBER), (NUMBER, NUMBER), (NUMBER, "nonsense"), ("nonsense", NUMBER)):
            assert services.change_phone(ada, old=old, new=new) is False

        verify(ada, OTHER_NUMBER, "signup")
        assert services.change_phone(ada, old=NUMBER, new=OTHER_NUMBER) is False
        assert (numbers(ada), changes) == ([NUMBER], [])

    def test_changes_once(self, ada: User, changes: list[dict[str, Any]]) -> None:
        verify(ada, OTHER_NUMBER)

        made = [services.change_phone(ada, old=SPELLING, new=OTHER_NUMBER) for _ in range(2)]

        assert (made, numbers(ada), len(changes)) == ([True, False], [OTHER_NUMBER], 1)

    def test_takes_no_number_of_another_user(self, ada: User) -> None:
        grace = User.objects.create_user("grace")
        verify(grace, OTHER_NUMBER)

        assert services.change_phone(grace, old=NUMBER, new=OTHER_NUMBER) is False
        assert numbers(ada) == [NUMBER]

    def test_forgets_the_right_code_of_the_old_number(self, ada: User) -> None:
        old = VerifiedPhone.objects.get().attempt
        verify(ada, OTHER_NUMBER)

        services.change_phone(ada, old=NUMBER, new=OTHER_NUMBER)

        old.refresh_from_db()
        assert old.code_digest == ""


class TestTheInline:
    @pytest.fixture
    def page(self, visitor: Visitor, ada: User) -> Any:
        def opened(*codenames: str) -> str:
            ada.user_permissions.set(Permission.objects.filter(codename__in=codenames))
            answer = visitor.client.get(f"/admin/auth/user/{ada.pk}/change/")
            assert answer.status_code == 200
            return str(answer.content.decode())

        return opened

    def test_shows_masked_numbers_and_no_input(self, page: Any) -> None:
        html = page("view_user", "change_user", "view_verifiedphone", "delete_verifiedphone", "add_verifiedphone")

        assert "+234\N{NO-BREAK SPACE}803\N{NO-BREAK SPACE}•••\N{NO-BREAK SPACE}4567" in html
        assert NUMBER not in html
        assert "-DELETE" not in html
        assert 'name="verified_phones-MAX_NUM_FORMS" value="0"' in html  # Django's script then offers no "Add another"
        assert 'name="verified_phones-0-number"' not in html

    def test_needs_our_permission(self, page: Any) -> None:
        html = page("view_user", "change_user")

        assert "verified_phones" not in html
        assert "•••" not in html
