"""The owner of a number: a login during or after the verification, and a number that was removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.errors import ProofRejected
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services.sentences import sentence
from django_telroi.testing import last_code_for
from tests.services.world import let_time_pass
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = [pytest.mark.urls("tests.web.gated_site"), pytest.mark.django_db]

ADD = "Add to my account"
GONE = "This verification is not there any more. Start again to get a call."


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def ben() -> User:
    return User.objects.create_user("ben")


@pytest.fixture
def one_account(site: Any) -> None:
    site.TELROI = {**site.TELROI, "ONE_ACCOUNT_PER_NUMBER": True}


def asks(visitor: Visitor, number: str = SPELLING, query: str = "") -> Visitor:
    return visitor.opens(f"/phone/{query}").presses("Call me", number=number)


def types(visitor: Visitor, number: str = NUMBER) -> Visitor:
    return visitor.presses("Verify", code=last_code_for(number))


def verifies(visitor: Visitor, query: str = "") -> Visitor:
    return types(asks(visitor, query=query))


def logs_in(visitor: Visitor, user: User) -> Visitor:
    """Log in like Django: the session of an anonymous visitor gets another key."""
    visitor.client.force_login(user)
    return visitor


def owners() -> list[str]:
    return [phone.user.get_username() for phone in VerifiedPhone.objects.order_by("pk")]


class TestALoginBeforeTheCode:
    """The code is typed by the logged-in user."""

    def test_records_the_number_and_shows_the_name_of_the_account(self, visitor: Visitor, ada: User) -> None:
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        assert (visitor.heading(), owners()) == ("Your number is verified", ["ada"])
        assert "account ada" in visitor.card().text
        assert MASKED in visitor.card().text

    def test_passes_the_gate_that_started_the_flow(self, visitor: Visitor, ada: User) -> None:
        asks(visitor, query="?next=/any/")
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/"))

        assert (visitor.path, visitor.soup.text) == ("/any/", "in")

    def test_spends_the_proof(self, visitor: Visitor, ada: User) -> None:
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        attempt = VerificationAttempt.objects.get()
        assert attempt.proof_spent_at is not None
        assert services.check_code(attempt.uuid, last_code_for(NUMBER)).proof is None

    def test_records_the_number_after_call_again(self, visitor: Visitor, ada: User) -> None:
        asks(visitor)
        let_time_pass(61)
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/").presses("Call again"))

        assert owners() == ["ada"]

    def test_shows_that_the_number_is_taken_and_keeps_the_proof(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        assert (visitor.heading(), owners()) == ("This number is taken", ["ben"])
        assert sentence("number_taken") in visitor.card().text
        services.forget_phone(ben, NUMBER)
        assert visitor.opens("/phone/").presses(ADD).heading() == "Your number is verified"
        assert owners() == ["ada"]

    def test_shows_on_the_card_which_number_is_taken_and_who_is_logged_in(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        assert MASKED in visitor.card().text
        assert "logged in as ada" in visitor.card().text
        assert "ben" not in visitor.card().text
        assert visitor.buttons() == ["Use another number"]
        assert visitor.presses("Use another number").heading() == "Verify your phone"

    def test_records_no_number_for_a_purpose_without_records(self, visitor: Visitor, ada: User, site: Any) -> None:
        site.TELROI = {"PURPOSES": ["", "login"], "PURPOSES_WITHOUT_RECORD": ["login"]}
        asks(visitor, query="?purpose=login")
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/?purpose=login"))

        assert (visitor.heading(), owners()) == ("Your number is verified", [])
        assert "ada" not in visitor.card().text

    def test_shows_nothing_of_another_users_session(self, visitor: Visitor, ada: User, ben: User) -> None:
        """Django ends the session when another user logs in. A form of the old session is no longer valid."""
        logs_in(asks(visitor), ada)
        action, fields = visitor.opens("/phone/code/").form("Verify")

        logs_in(visitor, ben)
        visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert owners() == []
        assert visitor.heading() != "Your number is verified"

    def test_asks_first_if_only_the_form_knows_the_call(self, visitor: Visitor, ada: User) -> None:
        """The session that started the call has lost it, so the number is offered and not added."""
        logs_in(asks(visitor), ada)
        action, fields = visitor.opens("/phone/code/").form("Verify")
        session = visitor.client.session
        del session["telroi"]
        session.save()

        visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert owners() == []
        assert ADD in visitor.opens("/phone/").buttons()


class TestALoginAfterTheCode:
    """Two people may share a browser, so the number is never added silently."""

    @pytest.mark.parametrize("page", ["/phone/", "/phone/code/", "/phone/done/", "/card/"])
    def test_offers_the_number_with_one_button(self, visitor: Visitor, ada: User, page: str) -> None:
        logs_in(verifies(visitor), ada)

        visitor.opens(page)

        assert (visitor.heading(), visitor.buttons()) == (
            "Add this number to your account?",
            [ADD, "Use another number"],
        )
        assert MASKED in visitor.card().text
        assert "ada" in visitor.card().text
        assert owners() == []

    @pytest.mark.parametrize(("page", "after"), [("/phone/", "/phone/done/"), ("/card/", "/card/")])
    def test_records_the_number_after_the_button(self, visitor: Visitor, ada: User, page: str, after: str) -> None:
        logs_in(verifies(visitor), ada)

        visitor.opens(page).presses(ADD)

        assert (visitor.path, visitor.heading(), owners()) == (after, "Your number is verified", ["ada"])
        assert "account ada" in visitor.card().text

    def test_passes_the_gate_that_started_the_flow(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)

        visitor.opens("/any/").presses(ADD)

        assert (visitor.path, visitor.soup.text) == ("/any/", "in")

    def test_offers_the_number_while_its_proof_is_valid(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)
        let_time_pass(601)

        visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("Verify your phone", [])

    def test_can_be_followed_by_another_number(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        visitor.opens("/phone/").presses("Use another number")
        assert visitor.heading() == "Verify your phone"

        types(visitor.presses("Call me", number=OTHER_NUMBER), OTHER_NUMBER)

        assert [phone.number for phone in VerifiedPhone.objects.all()] == [OTHER_NUMBER]

    def test_shows_that_the_number_is_taken(self, visitor: Visitor, ada: User, ben: User, one_account: None) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")

        visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("This number is taken", ["ben"])
        assert ADD not in visitor.opens("/phone/").buttons()

    def test_shows_at_once_that_another_account_has_the_number(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        assert verifies(visitor).heading() == "Your number is verified"

        logs_in(visitor, ada).opens("/phone/")

        assert (visitor.heading(), visitor.buttons()) == ("This number is taken", ["Use another number"])
        assert visitor.presses("Use another number").heading() == "Verify your phone"
        assert visitor.opens("/phone/").heading() == "Verify your phone"

    def test_shows_the_form_if_the_number_of_their_own_call_is_taken(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        assert verifies(logs_in(visitor, ada)).heading() == "This number is taken"

        assert visitor.opens("/phone/").heading() == "Verify your phone"

    def test_adds_the_number_once_on_a_double_click(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)

        for _ in range(2):
            visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("Your number is verified", ["ada"])

    def test_adds_only_the_number_of_the_button(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)
        visitor.client.logout()
        types(asks(visitor, OTHER_NUMBER), OTHER_NUMBER)
        logs_in(visitor, ada)
        visitor.opens("/phone/")

        visitor.sends(action, fields)

        assert owners() == []

    def test_adds_nothing_without_a_user(self, visitor: Visitor) -> None:
        _, fields = verifies(visitor).form("Verify another number")

        visitor.sends("/phone/add-number/", fields)

        assert owners() == []
        assert not VerificationAttempt.objects.exclude(proof_spent_at=None).exists()

    def test_adds_nothing_to_a_session_without_the_code(self, visitor: Visitor, ada: User) -> None:
        verifies(visitor)
        stranger = logs_in(Visitor(Client()), ada)

        stranger.sends("/phone/add-number/", {})

        assert owners() == []
        assert stranger.heading() == "Verify your phone"

    def test_offers_nothing_for_a_purpose_without_records(self, visitor: Visitor, ada: User, site: Any) -> None:
        site.TELROI = {"PURPOSES": ["", "login"], "PURPOSES_WITHOUT_RECORD": ["login"]}
        verifies(visitor, "?purpose=login")
        logs_in(visitor, ada)

        assert visitor.opens("/phone/?purpose=login").heading() == "Verify your phone"


def test_the_name_of_an_account_is_escaped_and_a_number_in_it_masked(visitor: Visitor) -> None:
    for name, shown in (("<b>&", "&lt;b&gt;&amp;"), (NUMBER, MASKED.replace(" 803", " 803"))):
        VerificationAttempt.objects.all().delete()
        VerifiedPhone.objects.all().delete()
        let_time_pass(61)
        visitor = logs_in(Visitor(Client()), User.objects.create_user(name))
        verifies(visitor)

        html = visitor.trail[-1].content.decode()
        assert shown in html
        assert "<b>&" not in html
        assert NUMBER not in html


def forgets(user: User) -> None:
    assert services.forget_phone(user, NUMBER)


def erases(user: User) -> None:
    services.erase_number(NUMBER, actor="grace")


class TestARemovedNumber:
    """No card shows it as verified."""

    @pytest.mark.parametrize("takes_away", [forgets, erases])
    @pytest.mark.parametrize("page", ["/phone/done/", "/phone/code/", "/card/", "/any/"])
    @pytest.mark.parametrize("logs_in_first", [True, False])
    def test_must_be_verified_again(
        self, visitor: Visitor, ada: User, page: str, takes_away: Callable[[User], None], logs_in_first: bool
    ) -> None:
        if logs_in_first:
            verifies(logs_in(visitor, ada))
        else:
            logs_in(asks(visitor), ada)
            types(visitor.opens("/phone/code/"))
        assert owners() == ["ada"]

        takes_away(ada)

        assert visitor.opens(page).heading() == "Verify your phone"
        assert visitor.client.get("/phone/status/").json()["step"] == "number"

    def test_of_a_sign_up_without_a_login_must_be_verified_again(self, visitor: Visitor, ada: User) -> None:
        verifies(visitor)
        proof = visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"})["value"]
        services.redeem_proof(proof, purpose="", user=ada)
        forgets(ada)

        for page in ("/phone/done/", "/card/"):
            assert visitor.opens(page).heading() == "Verify your phone"

    def test_is_not_shown_as_verified_once_its_proof_expired(self, visitor: Visitor) -> None:
        verifies(visitor)
        let_time_pass(601)

        assert visitor.opens("/card/").heading() == "Verify your phone"


class TestAnErasedNumber:
    """The person who types the code of an erased number sees a message."""

    def test_is_reported_when_the_code_is_typed(self, visitor: Visitor) -> None:
        asks(visitor)
        code = last_code_for(NUMBER)
        services.erase_number(NUMBER, actor="grace")

        visitor.presses("Verify", code=code)

        assert (visitor.heading(), visitor.note()) == ("Verify your phone", GONE)
        assert visitor.opens("/phone/").note() == ""

    @pytest.mark.parametrize("page", ["/phone/", "/phone/code/", "/phone/done/", "/card/"])
    def test_is_reported_when_the_page_is_loaded(self, visitor: Visitor, page: str) -> None:
        asks(visitor)
        services.erase_number(NUMBER, actor="grace")

        visitor.opens(page)

        assert (visitor.heading(), visitor.note()) == ("Verify your phone", GONE)
        assert visitor.opens(page).note() != GONE

    def test_is_reported_in_the_card_where_the_code_was_typed(self, visitor: Visitor) -> None:
        visitor.opens("/card/").presses("Call me", number=SPELLING)
        code = last_code_for(NUMBER)
        services.erase_number(NUMBER, actor="grace")

        visitor.presses("Verify", code=code)

        assert (visitor.path, visitor.note()) == ("/card/", GONE)

    def test_is_reported_on_call_again(self, visitor: Visitor) -> None:
        asks(visitor)
        action, fields = visitor.form("Call again")
        services.erase_number(NUMBER, actor="grace")

        assert visitor.sends(action, fields).note() == GONE

    def test_is_reported_after_a_request_of_the_script(self, visitor: Visitor) -> None:
        asks(visitor)
        services.erase_number(NUMBER, actor="grace")
        assert visitor.client.get("/phone/status/").json() == {"step": "number", "status": None}

        assert visitor.opens("/phone/").note() == GONE

    def test_has_no_proof_any_more(self, visitor: Visitor) -> None:
        verifies(visitor)
        proof = visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"})["value"]

        services.erase_number(NUMBER, actor="grace")

        with pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="")
        assert visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"}) is None
