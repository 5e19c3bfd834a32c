"""Whose number it is: of people who log in while they verify it, afterwards, or who have lost it meanwhile."""

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
    """As Django does: the session of an anonymous visitor goes on with another key."""
    visitor.client.force_login(user)
    return visitor


def owners() -> list[str]:
    return [phone.user.get_username() for phone in VerifiedPhone.objects.order_by("pk")]


class TestSomebodyWhoLogsInBeforeTheyTypeTheCode:
    """The code was typed by the user who is logged in now."""

    def test_has_the_number_and_reads_the_name_of_the_account(self, visitor: Visitor, ada: User) -> None:
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        assert (visitor.heading(), owners()) == ("Your number is verified", ["ada"])
        assert "account ada" in visitor.card().text
        assert MASKED in visitor.card().text

    def test_passes_the_gate_that_they_came_from(self, visitor: Visitor, ada: User) -> None:
        asks(visitor, query="?next=/any/")
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/"))

        assert (visitor.path, visitor.soup.text) == ("/any/", "in")

    def test_spends_the_proof_with_it(self, visitor: Visitor, ada: User) -> None:
        logs_in(asks(visitor), ada)

        types(visitor.opens("/phone/code/"))

        attempt = VerificationAttempt.objects.get()
        assert attempt.proof_spent_at is not None
        assert services.check_code(attempt.uuid, last_code_for(NUMBER)).proof is None

    def test_has_it_after_a_call_that_was_asked_for_again(self, visitor: Visitor, ada: User) -> None:
        asks(visitor)
        let_time_pass(61)
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/").presses("Call again"))

        assert owners() == ["ada"]

    def test_is_told_that_the_number_is_taken_and_the_proof_stays_good(
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

    def test_reads_on_the_card_which_number_is_taken_and_who_is_logged_in(
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

    def test_has_no_number_where_the_purpose_writes_no_record(self, visitor: Visitor, ada: User, site: Any) -> None:
        site.TELROI = {"PURPOSES": ["", "login"], "PURPOSES_WITHOUT_RECORD": ["login"]}
        asks(visitor, query="?purpose=login")
        logs_in(visitor, ada)

        types(visitor.opens("/phone/code/?purpose=login"))

        assert (visitor.heading(), owners()) == ("Your number is verified", [])
        assert "ada" not in visitor.card().text

    def test_finds_nothing_of_another_user_s_session(self, visitor: Visitor, ada: User, ben: User) -> None:
        """Django ends the session when another user logs in. Its form is none of the new session."""
        logs_in(asks(visitor), ada)
        action, fields = visitor.opens("/phone/code/").form("Verify")

        logs_in(visitor, ben)
        visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert owners() == []
        assert visitor.heading() != "Your number is verified"

    def test_is_asked_first_where_only_the_form_knows_the_call(self, visitor: Visitor, ada: User) -> None:
        """The session that started the call has lost it, so the number is offered and not added."""
        logs_in(asks(visitor), ada)
        action, fields = visitor.opens("/phone/code/").form("Verify")
        session = visitor.client.session
        del session["telroi"]
        session.save()

        visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert owners() == []
        assert ADD in visitor.opens("/phone/").buttons()


class TestSomebodyWhoLogsInAfterwards:
    """Two people may share a browser, so the number is never added silently."""

    @pytest.mark.parametrize("page", ["/phone/", "/phone/code/", "/phone/done/", "/card/"])
    def test_is_offered_the_number_with_one_button(self, visitor: Visitor, ada: User, page: str) -> None:
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
    def test_has_it_after_pressing_the_button(self, visitor: Visitor, ada: User, page: str, after: str) -> None:
        logs_in(verifies(visitor), ada)

        visitor.opens(page).presses(ADD)

        assert (visitor.path, visitor.heading(), owners()) == (after, "Your number is verified", ["ada"])
        assert "account ada" in visitor.card().text

    def test_passes_the_gate_that_led_them_there(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)

        visitor.opens("/any/").presses(ADD)

        assert (visitor.path, visitor.soup.text) == ("/any/", "in")

    def test_is_offered_it_for_as_long_as_its_proof_is_good(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)
        let_time_pass(601)

        visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("Verify your phone", [])

    def test_may_verify_another_number_instead(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        visitor.opens("/phone/").presses("Use another number")
        assert visitor.heading() == "Verify your phone"

        types(visitor.presses("Call me", number=OTHER_NUMBER), OTHER_NUMBER)

        assert [phone.number for phone in VerifiedPhone.objects.all()] == [OTHER_NUMBER]

    def test_is_told_that_the_number_is_taken(self, visitor: Visitor, ada: User, ben: User, one_account: None) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")

        visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("This number is taken", ["ben"])
        assert ADD not in visitor.opens("/phone/").buttons()

    def test_is_told_so_at_once_where_another_account_has_the_number_already(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        assert verifies(visitor).heading() == "Your number is verified"

        logs_in(visitor, ada).opens("/phone/")

        assert (visitor.heading(), visitor.buttons()) == ("This number is taken", ["Use another number"])
        assert visitor.presses("Use another number").heading() == "Verify your phone"
        assert visitor.opens("/phone/").heading() == "Verify your phone"

    def test_finds_the_question_where_it_was_their_own_call_whose_number_is_taken(
        self, visitor: Visitor, ada: User, ben: User, one_account: None
    ) -> None:
        VerifiedPhone.objects.create(user=ben, number=NUMBER, verified_at="2026-01-01T00:00:00Z")
        assert verifies(logs_in(visitor, ada)).heading() == "This number is taken"

        assert visitor.opens("/phone/").heading() == "Verify your phone"

    def test_adds_it_once_with_a_double_click(self, visitor: Visitor, ada: User) -> None:
        logs_in(verifies(visitor), ada)
        action, fields = visitor.opens("/phone/").form(ADD)

        for _ in range(2):
            visitor.sends(action, fields)

        assert (visitor.heading(), owners()) == ("Your number is verified", ["ada"])

    def test_adds_no_other_number_than_the_one_that_the_button_was_about(self, visitor: Visitor, ada: User) -> None:
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

    def test_gives_nothing_to_a_session_that_typed_no_code(self, visitor: Visitor, ada: User) -> None:
        verifies(visitor)
        stranger = logs_in(Visitor(Client()), ada)

        stranger.sends("/phone/add-number/", {})

        assert owners() == []
        assert stranger.heading() == "Verify your phone"

    def test_is_offered_nothing_where_the_purpose_writes_no_record(
        self, visitor: Visitor, ada: User, site: Any
    ) -> None:
        site.TELROI = {"PURPOSES": ["", "login"], "PURPOSES_WITHOUT_RECORD": ["login"]}
        verifies(visitor, "?purpose=login")
        logs_in(visitor, ada)

        assert visitor.opens("/phone/?purpose=login").heading() == "Verify your phone"


def test_the_name_of_an_account_is_escaped_and_a_number_in_it_is_masked(visitor: Visitor) -> None:
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


class TestANumberThatIsTakenAway:
    """No card says "verified" of it."""

    @pytest.mark.parametrize("takes_away", [forgets, erases])
    @pytest.mark.parametrize("page", ["/phone/done/", "/phone/code/", "/card/", "/any/"])
    @pytest.mark.parametrize("logs_in_first", [True, False])
    def test_is_asked_for_again(
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

    def test_of_somebody_who_signed_up_without_logging_in_is_asked_for_again(self, visitor: Visitor, ada: User) -> None:
        verifies(visitor)
        proof = visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"})["value"]
        services.redeem_proof(proof, purpose="", user=ada)
        forgets(ada)

        for page in ("/phone/done/", "/card/"):
            assert visitor.opens(page).heading() == "Verify your phone"

    def test_is_not_said_to_be_verified_once_its_proof_is_too_old(self, visitor: Visitor) -> None:
        verifies(visitor)
        let_time_pass(601)

        assert visitor.opens("/card/").heading() == "Verify your phone"


class TestAnErasedNumber:
    """The person who is about to type its code is told."""

    def test_is_told_to_who_types_the_code(self, visitor: Visitor) -> None:
        asks(visitor)
        code = last_code_for(NUMBER)
        services.erase_number(NUMBER, actor="grace")

        visitor.presses("Verify", code=code)

        assert (visitor.heading(), visitor.note()) == ("Verify your phone", GONE)
        assert visitor.opens("/phone/").note() == ""

    @pytest.mark.parametrize("page", ["/phone/", "/phone/code/", "/phone/done/", "/card/"])
    def test_is_told_to_who_looks(self, visitor: Visitor, page: str) -> None:
        asks(visitor)
        services.erase_number(NUMBER, actor="grace")

        visitor.opens(page)

        assert (visitor.heading(), visitor.note()) == ("Verify your phone", GONE)
        assert visitor.opens(page).note() != GONE

    def test_is_told_in_the_card_that_it_was_typed_into(self, visitor: Visitor) -> None:
        visitor.opens("/card/").presses("Call me", number=SPELLING)
        code = last_code_for(NUMBER)
        services.erase_number(NUMBER, actor="grace")

        visitor.presses("Verify", code=code)

        assert (visitor.path, visitor.note()) == ("/card/", GONE)

    def test_is_told_to_who_asks_for_another_call(self, visitor: Visitor) -> None:
        asks(visitor)
        action, fields = visitor.form("Call again")
        services.erase_number(NUMBER, actor="grace")

        assert visitor.sends(action, fields).note() == GONE

    def test_is_told_after_the_script_has_asked(self, visitor: Visitor) -> None:
        asks(visitor)
        services.erase_number(NUMBER, actor="grace")
        assert visitor.client.get("/phone/status/").json() == {"step": "number", "status": None}

        assert visitor.opens("/phone/").note() == GONE

    def test_gives_no_proof_any_more(self, visitor: Visitor) -> None:
        verifies(visitor)
        proof = visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"})["value"]

        services.erase_number(NUMBER, actor="grace")

        with pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="")
        assert visitor.opens("/proof/").soup.find("input", attrs={"name": "phone_proof"}) is None
