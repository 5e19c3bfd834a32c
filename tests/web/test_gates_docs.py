"""The docs of gates and proofs are correct."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from django.utils import timezone
from django.views.generic import TemplateView

from django_telroi.models import VerifiedPhone
from django_telroi.services import Proof
from django_telroi.testing import last_code_for
from tests.project.test_howto import blocks_of, names_of
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.django_db

SITE = "site_of_the_gates_page"
DAY = 24 * 60 * 60


@pytest.fixture(autouse=True)
def docs_site(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The views of the page with URLs, and its templates."""
    names, urls = names_of("gates.rst"), ModuleType(SITE)
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("phone/", include("django_telroi.urls")),
        path("account/", names["account"]),
        path("payout/", names["payout"]),
        path("statement/", names["StatementView"].as_view()),
        path("keys/", names["recovery_keys"]),
        path("log-in-by-phone/", names["log_in_by_phone"]),
        path("recover/", TemplateView.as_view(template_name="recover.html")),
        path("sign-up/", names["sign_up"]),
        path("sign-up-by-class/", names["SignUpView"].as_view()),
    ]
    monkeypatch.setitem(sys.modules, SITE, urls)
    site.ROOT_URLCONF = SITE
    site.TELROI = {
        "PURPOSES": ["", "payout", "sign-up", "login", "keys"],
        "PURPOSES_WITHOUT_RECORD": ["login"],
        "ONE_ACCOUNT_PER_NUMBER": True,
    }
    statement, sign_up, recover = blocks_of("gates.rst", "django")
    ours = site.TEMPLATES[0]
    own = (
        "django.template.loaders.locmem.Loader",
        {"statement.html": statement, "sign_up.html": sign_up, "recover.html": recover},
    )
    loaders = [own, "django.template.loaders.app_directories.Loader"]
    site.TEMPLATES = [{**ours, "APP_DIRS": False, "OPTIONS": {**ours["OPTIONS"], "loaders": loaders}}]


@pytest.fixture
def user(visitor: Visitor) -> Visitor:
    visitor.client.force_login(User.objects.create_user("ada"))
    return visitor


def verifies(visitor: Visitor) -> None:
    visitor.presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))


@pytest.mark.parametrize(("address", "days"), [("/payout/", 90), ("/statement/", 1)])
def test_the_gates_of_the_page_work_as_documented(user: Visitor, address: str, days: int) -> None:
    user.opens(address)
    verifies(user)
    assert (user.path, user.statuses[-1]) == (address, 200)

    let_time_pass(days * DAY + 1)

    assert user.opens(address).heading() == "Verify your phone"
    assert user.opens("/account/").soup.text == "Your account"


def test_a_sensitive_page_asks_for_a_code_of_the_number_on_file_again(
    user: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(User, "phone", NUMBER, raising=False)
    for _ in range(2):
        user.opens("/keys/").presses("Call me").presses("Verify", code=last_code_for(NUMBER))
        assert (user.path, user.soup.text) == ("/keys/", "Your recovery keys")
        let_time_pass(299)
        assert user.opens("/keys/").soup.text == "Your recovery keys"

        let_time_pass(2)

    assert user.opens("/keys/").heading() == "Verify your phone"


def test_the_template_of_the_page_shows_the_verified_number(user: Visitor) -> None:
    user.opens("/statement/")
    verifies(user)
    assert [p.text for p in user.soup.find_all("p")] == [
        "Your phone is verified.",
        "We will call you before we show the next payout.",
    ]

    let_time_pass(61)
    user.opens("/payout/")
    verifies(user)

    assert [p.text for p in user.opens("/statement/").soup.find_all("p")] == [
        "Your phone is verified.",
        "You may be paid.",
    ]


SIGN_UPS = pytest.mark.parametrize("address", ["/sign-up/", "/sign-up-by-class/"])


def sign_up_fields(visitor: Visitor) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for each in visitor.soup.find(id="sign-up").find_all("input"):
        fields.setdefault(each["name"], []).append(each.get("value", ""))
    return fields


@SIGN_UPS
def test_a_user_name_in_use_is_a_form_error_and_keeps_the_proof(visitor: Visitor, address: str) -> None:
    User.objects.create_user("carla")
    visitor.opens(address)
    verifies(visitor)
    fields = sign_up_fields(visitor)

    taken = visitor.client.post(address, {**fields, "username": "carla"})
    free = visitor.client.post(address, {**fields, "username": "dora"})

    assert taken.status_code == 200
    assert "A user with that username already exists." in taken.content.decode()
    assert free.status_code == 302
    assert not User.objects.get(username="dora").has_usable_password()


@SIGN_UPS
def test_a_person_without_a_proof_reads_a_sentence_without_a_field_name(visitor: Visitor, address: str) -> None:
    visitor.opens(address)

    html = visitor.client.post(address, {"username": "carla"}).content.decode()

    assert "Verify your phone first." in html
    assert "Hidden field" not in html
    assert not User.objects.exists()


def test_the_sign_up_of_the_page_accepts_a_proof(visitor: Visitor) -> None:
    visitor.opens("/sign-up/")
    verifies(visitor)
    fields = sign_up_fields(visitor)

    answer = visitor.client.post("/sign-up/", {**fields, "username": "carla"})
    again = visitor.client.post("/sign-up/", {**fields, "username": "dora"})

    assert (answer.status_code, answer["Location"]) == (302, "/welcome/")
    assert again.status_code == 200
    assert "was already used" in again.content.decode()
    phone = VerifiedPhone.objects.get()
    assert (phone.user.get_username(), phone.number, phone.purpose) == ("carla", NUMBER, "sign-up")
    assert User.objects.count() == 1


@pytest.mark.parametrize(("has_account", "address"), [(True, "/account/"), (False, "/sign-up/")])
def test_the_page_that_recovers_an_account_logs_in_by_phone(visitor: Visitor, has_account: bool, address: str) -> None:
    if has_account:
        ada = User.objects.create_user("ada")
        VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose="", verified_at=timezone.now())
    visitor.opens("/recover/")
    verifies(visitor)
    fields = {each["name"]: each["value"] for each in visitor.soup.find(action="/log-in-by-phone/").find_all("input")}

    answer = visitor.client.post("/log-in-by-phone/", fields)

    assert (answer.status_code, answer["Location"]) == (302, address)
    assert ("_auth_user_id" in visitor.client.session) is has_account


@pytest.mark.parametrize(
    ("purpose", "user_fields"), [("payout", {}), ("", {"is_staff": True}), ("sign-up", {"is_active": False})]
)
def test_the_page_that_recovers_an_account_excludes_these(
    visitor: Visitor, purpose: str, user_fields: dict[str, bool]
) -> None:
    ada = User.objects.create_user("ada", **user_fields)
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose=purpose, verified_at=timezone.now())
    visitor.opens("/recover/")
    verifies(visitor)
    fields = {each["name"]: each["value"] for each in visitor.soup.find(action="/log-in-by-phone/").find_all("input")}

    answer = visitor.client.post("/log-in-by-phone/", fields)

    assert (answer.status_code, answer["Location"]) == (302, "/sign-up/")
    assert "_auth_user_id" not in visitor.client.session


def test_the_second_half_of_a_double_click_is_redirected(visitor: Visitor) -> None:
    ada = User.objects.create_user("ada")
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose="", verified_at=timezone.now())
    visitor.opens("/recover/")
    verifies(visitor)
    fields = {each["name"]: each["value"] for each in visitor.soup.find(action="/log-in-by-phone/").find_all("input")}

    before = visitor.client.cookies.copy()
    first = visitor.client.post("/log-in-by-phone/", fields)
    logged_in = visitor.client.cookies.copy()
    visitor.client.cookies = before
    second = visitor.client.post("/log-in-by-phone/", fields)
    visitor.client.cookies = logged_in

    assert [(each.status_code, each["Location"]) for each in (first, second)] == [(302, "/account/")] * 2
    assert "_auth_user_id" in visitor.client.session


def test_two_requests_at_once_with_one_proof_are_no_error(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = User.objects.create_user("ada")
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose="", verified_at=timezone.now())
    visitor.opens("/recover/")
    verifies(visitor)
    fields = {each["name"]: each["value"] for each in visitor.soup.find(action="/log-in-by-phone/").find_all("input")}
    redeem = Proof.redeem

    def redeem_twice(proof: Proof, **options: Any) -> str:
        redeem(proof, **options)
        return redeem(proof, **options)

    monkeypatch.setattr(Proof, "redeem", redeem_twice)
    answer = visitor.client.post("/log-in-by-phone/", fields)

    assert (answer.status_code, answer["Location"]) == (302, "/account/")


def test_the_page_that_recovers_an_account_asks_for_a_code_first(visitor: Visitor) -> None:
    answer = visitor.client.post("/log-in-by-phone/", {})

    assert (answer.status_code, answer["Location"]) == (302, "/phone/?purpose=login")
