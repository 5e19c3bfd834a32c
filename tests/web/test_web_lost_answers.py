"""A right code whose answer never reached the browser verifies if it is typed again, on each page."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.test import Client

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, Visitor

SUCCESS = "Your number is verified"
AGAIN = "Type the code again"
STORES = pytest.mark.parametrize("store", ["db", "cache", "cached_db", "file", "signed_cookies"])


def another(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def browser_with(cookies: dict[str, str]) -> Visitor:
    client = Client()
    for name, value in cookies.items():
        client.cookies[name] = value
    return Visitor(client)


def cookies_of(visitor: Visitor) -> dict[str, str]:
    return {name: morsel.value for name, morsel in visitor.client.cookies.items()}


@pytest.fixture
def called(visitor: Visitor) -> Visitor:
    return visitor.opens("/phone/").presses("Call me", number=NUMBER)


@pytest.fixture
def code(called: Visitor) -> str:
    return last_code_for(NUMBER)


class TestACheckThatWasKilledAfterItsCommit:
    """The row contains that the code was right, and the session does not."""

    @pytest.fixture
    def died(self, called: Visitor, code: str) -> Visitor:
        services.check_code(VerificationAttempt.objects.get().uuid, code)
        return called.opens("/phone/code/")

    def test_the_page_asks_for_the_same_code_again(self, died: Visitor, code: str) -> None:
        assert (died.heading(), died.buttons()) == (AGAIN, ["Verify", "Start again"])
        assert died.presses("Verify", code=code).heading() == SUCCESS

    def test_another_code_does_not_verify(self, died: Visitor, code: str) -> None:
        assert died.presses("Verify", code=another(code)).heading() == AGAIN
        assert "another code" in died.note()
        assert died.opens("/phone/done/").path == "/phone/"

    def test_after_ten_minutes_the_code_is_not_requested(self, died: Visitor) -> None:
        let_time_pass(600)

        assert died.opens("/phone/code/").heading() == "Not verified here"

    def test_a_card_in_another_page_asks_for_it_too(self, died: Visitor, code: str, settings: Any) -> None:
        settings.ROOT_URLCONF = "tests.web.site"

        assert died.opens("/here/").heading() == AGAIN
        assert died.presses("Verify", code=code).heading() == SUCCESS


class TestACheckThatWasKilledAfterTheKeyRotation:
    """The browser has the old key."""

    @pytest.fixture
    def old(self, called: Visitor, code: str) -> dict[str, str]:
        """The cookies from before the right code."""
        session = called.client.session
        session["basket"] = ["shoes"]
        session.save()
        cookies = cookies_of(called)
        called.presses("Verify", code=code)
        return cookies

    @STORES
    def test_a_reloaded_page_asks_for_the_same_code_again(
        self, visitor: Visitor, settings: Any, store: str, tmp_path: Any
    ) -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{store}"
        settings.SESSION_FILE_PATH = str(tmp_path)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        old, code = cookies_of(visitor), last_code_for(NUMBER)
        visitor.presses("Verify", code=code)

        late = browser_with(old).opens("/phone/code/")

        assert late.heading() == AGAIN
        assert late.presses("Verify", code=code).heading() == SUCCESS
        assert late.opens("/phone/done/").heading() == SUCCESS

    def test_the_old_key_alone_and_another_code_do_not_verify(self, old: dict[str, str], code: str) -> None:
        stranger = browser_with(old)

        assert stranger.opens("/phone/done/").path == "/phone/"
        assert stranger.opens("/phone/code/").presses("Verify", code=another(code)).heading() == AGAIN
        assert stranger.opens("/phone/done/").path == "/phone/"

    def test_data_of_one_browser_is_never_stored_under_the_old_key(self, old: dict[str, str], code: str) -> None:
        late = browser_with(old).opens("/phone/code/")
        action, fields = late.form("Verify")
        late.presses("Verify", code=code)

        late.sends(action, {**fields, "code": another(code)})

        assert late.opens("/phone/done/").heading() == SUCCESS
        assert browser_with(old).opens("/phone/done/").path == "/phone/"

    def test_the_old_key_stores_nothing_else_and_for_ten_minutes_only(
        self, called: Visitor, old: dict[str, str], settings: Any
    ) -> None:
        store = import_module(settings.SESSION_ENGINE).SessionStore(old["sessionid"])

        assert called.client.session["basket"] == ["shoes"]
        assert "basket" not in store
        assert store.get_expiry_age() <= 600

    @pytest.mark.parametrize("saves_always", [False, True])
    def test_the_second_half_of_a_double_click_keeps_the_new_key_in_the_browser(
        self, visitor: Visitor, settings: Any, *, saves_always: bool
    ) -> None:
        settings.SESSION_SAVE_EVERY_REQUEST = saves_always
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        action, fields = visitor.form("Verify")
        fields["code"] = last_code_for(NUMBER)
        old = cookies_of(visitor)
        visitor.sends(action, fields)

        second = browser_with(old).client.post(action, fields)

        assert (second.status_code, second["Location"]) == (302, "/phone/done/")
        assert "sessionid" not in second.cookies
