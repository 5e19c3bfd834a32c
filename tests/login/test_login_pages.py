"""The pages that log in by phone, in a browser without JavaScript."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in
from django.template import engines
from django.test import Client, RequestFactory
from django.urls import NoReverseMatch
from django.utils import timezone, translation

from django_telroi import services
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.testing import last_code_for, outbox
from tests.login.conftest import Configure, account
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor, last

START, CODE, DONE = "/log-in/", "/log-in/code/", "/log-in/done/"


def user_of(client: Client) -> str:
    return str(client.session.get("_auth_user_id", ""))


def heard(number: str = NUMBER) -> str:
    return str(last_code_for(number))


def called(visitor: Visitor, number: str = NUMBER, path: str = START) -> Visitor:
    return visitor.opens(path).presses("Call me", number=number)


class TestTheJourney:
    def test_the_code_logs_in(self, ada: User, visitor: Visitor) -> None:
        called(visitor)
        assert visitor.path == CODE

        visitor.presses("Log in", code=heard())

        assert (visitor.path, last(visitor).content) == ("/home/", b"home of ada")
        assert user_of(visitor.client) == str(ada.pk)

    def test_the_back_button_after_the_login_says_that_the_person_is_logged_in(
        self, ada: User, visitor: Visitor
    ) -> None:
        called(visitor)
        visitor.presses("Log in", code=heard())

        visitor.opens(CODE)

        assert "You are logged in" in visitor.heading()
        assert "Allow cookies" not in visitor.card().text

    def test_every_page_has_its_own_words_and_the_other_way(self, ada: User, visitor: Visitor) -> None:
        visitor.opens("/log-in/?next=/home/")
        assert visitor.heading() == visitor.soup.title.text == "Log in by phone"
        assert other_ways(visitor) == ["/accounts/login/?next=%2Fhome%2F"]

        visitor.presses("Call me", number=NUMBER)
        assert (visitor.heading(), other_ways(visitor)[0]) == ("We are calling you", "/accounts/login/?next=%2Fhome%2F")
        assert len(other_ways(visitor)) == 1

        visitor.presses("Log in", code="000000")
        assert visitor.soup.title.text == "Error: We are calling you"
        assert "Verify" not in visitor.buttons()

    def test_a_wrong_code_says_how_many_tries_are_left(self, ada: User, visitor: Visitor) -> None:
        called(visitor)
        wrong = "111111" if heard() != "111111" else "222222"

        visitor.presses("Log in", code=wrong)

        assert "That is not the code. 2 tries left for this call." in visitor.note()
        assert user_of(visitor.client) == ""

    def test_the_visitor_can_call_again_and_change_the_number(
        self, ada: User, visitor: Visitor, configure: Configure
    ) -> None:
        configure(COOLDOWN_SECONDS=0)
        called(visitor)
        visitor.presses("Call again")
        assert (visitor.path, len(outbox)) == (CODE, 2)

        visitor.presses("Change number")
        assert visitor.path == START
        visitor.presses("Call me", number=OTHER_NUMBER)

        assert (visitor.path, outbox[-1].to) == (CODE, OTHER_NUMBER)

    def test_the_pages_need_no_login_under_the_middleware(self, site: Any, ada: User, visitor: Visitor) -> None:
        site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
        site.LOGIN_URL = "telroi-login:start"

        visitor.opens("/home/")
        assert visitor.path == "/log-in/?next=/home/"
        visitor.presses("Call me", number=NUMBER).presses("Log in", code=heard())

        assert last(visitor).content == b"home of ada"
        assert Client().get("/log-in/status/").json() == {"step": "number", "status": None}

    def test_the_pages_work_without_the_other_pages(self, site: Any, ada: User, visitor: Visitor) -> None:
        site.ROOT_URLCONF = "tests.login.only_login"

        called(visitor).presses("Log in", code=heard())

        assert user_of(visitor.client) == str(ada.pk)

    def test_the_login_is_djangos(self, ada: User, visitor: Visitor) -> None:
        seen: list[Any] = []

        def see(sender: type, request: Any, user: User, **kwargs: Any) -> None:
            seen.append((user, request.path))

        user_logged_in.connect(see)
        try:
            called(visitor).presses("Log in", code=heard())
        finally:
            user_logged_in.disconnect(see)

        ada.refresh_from_db()
        assert (seen, ada.last_login is not None) == ([(ada, CODE)], True)
        assert visitor.client.session["_auth_user_backend"] == "django.contrib.auth.backends.ModelBackend"

    def test_a_wrong_redirect_uses_up_no_code(self, site: Any, ada: User, visitor: Visitor) -> None:
        called(visitor)
        site.LOGIN_REDIRECT_URL = "nowhere:at-all"
        with pytest.raises(NoReverseMatch):
            visitor.presses("Log in", code=heard())
        site.LOGIN_REDIRECT_URL = "home"

        visitor.opens(CODE).presses("Log in", code=heard())

        assert user_of(visitor.client) == str(ada.pk)

    def test_the_page_speaks_the_language_of_the_visitor(self, ada: User, visitor: Visitor) -> None:
        with translation.override("ar"):
            html = visitor.opens(START).soup.html

        assert (html["lang"], html["dir"]) == ("ar", "rtl")


def other_ways(visitor: Visitor) -> list[str]:
    return [a["href"] for a in visitor.soup.find_all("a") if a.text == "Log in another way"]


class TestTheAccount:
    def test_a_number_without_an_account_can_sign_up(self, visitor: Visitor, configure: Configure) -> None:
        configure(LOGIN_SIGN_UP_URL="/sign-up/")

        called(visitor).presses("Log in", code=heard())

        assert (visitor.path, visitor.heading()) == (DONE, "No account has this number")
        assert visitor.soup.find("a", string="Sign up with this number")["href"] == "/sign-up/"
        proof = proof_in(visitor.client)
        newcomer = User.objects.create_user("bob")
        services.redeem_proof(proof, purpose="login", user=newcomer)
        other = Visitor(Client())
        later()
        called(other).presses("Log in", code=heard())
        assert user_of(other.client) == str(newcomer.pk)

    def test_the_page_without_an_account_leads_on(self, visitor: Visitor) -> None:
        called(visitor).presses("Log in", code=heard())

        assert visitor.opens(CODE).path == DONE
        assert visitor.presses("Use another number").path == START
        assert visitor.heading() == "Log in by phone"

    def test_an_inactive_user_gets_the_answer_of_no_account(self, ada: User, visitor: Visitor) -> None:
        User.objects.update(is_active=False)

        called(visitor).presses("Log in", code=heard())

        assert (user_of(visitor.client), visitor.heading()) == ("", "No account has this number")

    def test_the_sites_backend_decides_about_inactive_users(self, site: Any, ada: User, visitor: Visitor) -> None:
        path = "django.contrib.auth.backends.AllowAllUsersModelBackend"
        site.AUTHENTICATION_BACKENDS = [path]
        User.objects.update(is_active=False)

        called(visitor).presses("Log in", code=heard())

        assert visitor.client.session["_auth_user_backend"] == path

    def test_the_first_backend_that_knows_the_user_is_named(self, site: Any, ada: User, visitor: Visitor) -> None:
        model = "django.contrib.auth.backends.ModelBackend"
        site.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.BaseBackend", f"{__name__}.NoUsers", model]

        called(visitor).presses("Log in", code=heard())

        assert visitor.client.session["_auth_user_backend"] == model
        assert last(visitor).content == b"home of ada"

    @pytest.mark.parametrize("is_staff", [True, False])
    def test_the_site_decides_who_logs_in_by_phone(
        self, ada: User, visitor: Visitor, configure: Configure, is_staff: bool
    ) -> None:
        User.objects.update(is_staff=is_staff)
        configure(MAY_LOG_IN=lambda request, user: request.path == CODE and not user.is_staff)

        called(visitor).presses("Log in", code=heard())

        assert bool(user_of(visitor.client)) is not is_staff

    def test_each_number_of_a_user_logs_in(self, ada: User, visitor: Visitor) -> None:
        services.record_verification(ada, OTHER_NUMBER)

        called(visitor, OTHER_NUMBER).presses("Log in", code=heard(OTHER_NUMBER))

        assert user_of(visitor.client) == str(ada.pk)

    def test_a_number_of_two_accounts_opens_the_one_that_verified_it_last(
        self, visitor: Visitor, configure: Configure
    ) -> None:
        configure(ONE_ACCOUNT_PER_NUMBER=False)
        newer, older = account("newer", NUMBER), account("older", NUMBER)
        VerifiedPhone.objects.filter(user=older).update(verified_at=timezone.now() - timedelta(days=1))

        called(visitor).presses("Log in", code=heard())

        assert user_of(visitor.client) == str(newer.pk)

    def test_an_inactive_last_owner_does_not_open_the_account_of_an_earlier_one(
        self, visitor: Visitor, configure: Configure
    ) -> None:
        configure(ONE_ACCOUNT_PER_NUMBER=False)
        older, banned = account("older", NUMBER), account("banned", NUMBER, is_active=False)
        VerifiedPhone.objects.filter(user=older).update(verified_at=timezone.now() - timedelta(days=1))

        called(visitor).presses("Log in", code=heard())

        assert (user_of(visitor.client), banned.is_active) == ("", False)

    @pytest.mark.parametrize(("purposes", "logs_in"), [(["", "login"], False), (["payout"], True)])
    def test_a_number_of_another_purpose_logs_in_only_if_the_site_says_so(
        self, visitor: Visitor, configure: Configure, purposes: list[str], logs_in: bool
    ) -> None:
        configure(LOGIN_PURPOSES=purposes)
        services.record_verification(User.objects.create_user("ada"), NUMBER, purpose="payout")

        called(visitor).presses("Log in", code=heard())

        assert bool(user_of(visitor.client)) is logs_in

    def test_a_number_that_was_removed_after_the_call_does_not_log_in(self, ada: User, visitor: Visitor) -> None:
        called(visitor)
        services.forget_phone(ada, NUMBER)

        visitor.presses("Log in", code=heard())

        assert (user_of(visitor.client), visitor.heading()) == ("", "No account has this number")

    def test_a_number_that_was_moved_after_the_call_opens_the_new_account(self, ada: User, visitor: Visitor) -> None:
        called(visitor)
        bob = User.objects.create_user("bob")
        services.forget_phone(ada, NUMBER)
        services.record_verification(bob, NUMBER)

        visitor.presses("Log in", code=heard())

        assert user_of(visitor.client) == str(bob.pk)

    def test_a_login_changes_no_record(self, ada: User, visitor: Visitor) -> None:
        before = list(VerifiedPhone.objects.values())

        called(visitor).presses("Log in", code=heard())

        assert list(VerifiedPhone.objects.values()) == before

    def test_staff_see_which_account_it_opened(self, ada: User, visitor: Visitor) -> None:
        visitor.opens("/log-in/").presses("Call me", number=NUMBER).presses("Log in", code=last_code_for(NUMBER))

        event = AttemptEvent.objects.get(kind=EventKind.LOGGED_IN)
        assert (event.attempt, event.actor) == (VerificationAttempt.objects.get(), f"user {ada.pk}")

    @pytest.mark.parametrize("store", ["db", "cache", "signed_cookies"])
    def test_a_double_click_keeps_the_login_if_the_csrf_token_is_in_the_session(
        self, site: Any, ada: User, store: str
    ) -> None:
        site.CSRF_USE_SESSIONS = True
        site.SESSION_ENGINE = f"django.contrib.sessions.backends.{store}"
        visitor = Visitor(Client(enforce_csrf_checks=True))
        action, fields = called(visitor).form("Log in")
        fields["code"] = heard()
        late = Client(enforce_csrf_checks=True)
        late.cookies.load({name: morsel.value for name, morsel in visitor.client.cookies.items()})
        visitor.client.post(action, fields)

        second = late.post(action, fields)

        assert (second.status_code, second["Location"]) == (302, DONE)
        # Another session cookie would replace that of the first answer in the browser, and end the login.
        assert "sessionid" not in second.cookies
        assert visitor.opens(DONE).heading() == "You are logged in"
        assert (user_of(visitor.client), user_of(late)) == (str(ada.pk), "")

    def test_a_user_can_log_in_to_another_account(self, ada: User, visitor: Visitor) -> None:
        visitor.client.force_login(User.objects.create_user("bob"))

        called(visitor).presses("Log in", code=heard())

        assert user_of(visitor.client) == str(ada.pk)
        assert VerificationAttempt.objects.get().user is None


class NoUsers:
    """A backend that only answers questions about permissions."""

    def has_perm(self, user: Any, perm: str, obj: Any = None) -> bool:
        return False


def proof_in(client: Client) -> str:
    """Return what ``{% phone_proof purpose="login" %}`` puts into a form of the site."""
    request = RequestFactory().get("/")
    request.session, request.user = client.session, AnonymousUser()
    template = engines["django"].from_string('{% load telroi %}{% phone_proof purpose="login" %}')
    return str(template.render({"request": request}, request)).split('value="')[1].split('"')[0]


def later() -> None:
    PhoneNumber.objects.update(calls=[], last_call_at=None, next_call_at=None, limited_by="")
