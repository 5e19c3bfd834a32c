"""The pages on other sites: a custom AdminSite, a strict CSP, users without user names."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from bs4 import BeautifulSoup
from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group, Permission, User
from django.core.management.sql import emit_post_migrate_signal
from django.db import models
from django.db.models.signals import post_migrate
from django.test import Client
from django.test.utils import isolate_apps
from django.urls import reverse

from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.requester import user_name
from tests.admin.admin_pages import html_of, url
from tests.admin.test_attempts_list import make
from tests.admin.test_roles import VIEWS, own_permissions
from tests.project.test_howto import names_of
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db


@pytest.mark.urls("tests.admin.own_admin_site")
class TestACustomAdminSite:
    """No link leads to another admin site."""

    def test_shows_the_pages_with_its_own_urls(self, staff: Client, attempt: VerificationAttempt) -> None:
        pages = [reverse("admin:index", current_app="office")]
        for row in (PhoneNumber.objects.get(number=NUMBER), attempt, VerifiedPhone.objects.get()):
            model = row._meta.model_name
            pages += [
                reverse(f"admin:django_telroi_{model}_changelist", current_app="office"),
                reverse(f"admin:django_telroi_{model}_change", args=[row.pk], current_app="office"),
                reverse(f"admin:django_telroi_{model}_history", args=[row.pk], current_app="office"),
            ]

        for page in pages:
            tree = BeautifulSoup(html_of(staff, page), "html.parser")
            links = {str(link["href"]) for link in tree.find_all("a", href=True)} - {"/"}  # "View site"
            assert not [link for link in links if link.startswith("/") and not link.startswith("/back/")], page

    def test_searches_and_exports(self, staff: Client, attempt: VerificationAttempt) -> None:
        found = staff.post("/back/django_telroi/verificationattempt/search/", {"term": str(attempt.uuid)})
        gone = staff.post("/back/django_telroi/verificationattempt/export/?p=0")

        assert found.headers["Location"] == f"/back/django_telroi/verificationattempt/{attempt.pk}/change/"
        assert gone.headers["Location"] == "/back/django_telroi/verificationattempt/?e=1"


@pytest.mark.parametrize("page", ["changelist", "change"])
@pytest.mark.parametrize("model", ["verificationattempt", "verifiedphone"])
def test_a_strict_csp_blocks_nothing(staff: Client, attempt: VerificationAttempt, model: str, page: str) -> None:
    row = attempt if model == "verificationattempt" else VerifiedPhone.objects.get()
    address = url(model, page, *([row.pk] if page == "change" else []))

    tree = BeautifulSoup(html_of(staff, address), "html.parser")

    assert not tree.find_all("style")
    assert not [tag for tag in tree.find_all("script") if not tag.get("src") and (tag.string or "").strip()]
    assert not [
        tag for tag in tree.find_all(True) if "style" in tag.attrs or any(each.startswith("on") for each in tag.attrs)
    ]


def test_the_groups_of_the_docs_have_the_roles_of_the_table() -> None:
    names_of("admin.rst")["make_groups"]()

    has = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    support = {"add_note", "block_number", "release_number", "reset_limits", "reset_wrong_codes"}
    assert has == {
        "Phone viewers": set(VIEWS),
        "Phone support": {*VIEWS, *support},
        "Phone operators": {*VIEWS, *own_permissions()},
    }


def test_the_groups_of_the_docs_have_their_permissions_on_a_fresh_database(monkeypatch: pytest.MonkeyPatch) -> None:
    page, accounts = names_of("admin.rst"), ModuleType("accounts.groups")
    accounts.make_groups = page["make_groups"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "accounts", ModuleType("accounts"))
    monkeypatch.setitem(sys.modules, "accounts.groups", accounts)
    Permission.objects.all().delete()

    page["AccountsConfig"].ready(None)
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    post_migrate.disconnect(page["make_groups"], sender=apps.get_app_config("django_telroi"))

    operators = Group.objects.get(name="Phone operators")
    assert set(operators.permissions.values_list("codename", flat=True)) == {*VIEWS, *own_permissions()}


class TestAUserName:
    """The name of a user of any user model."""

    @isolate_apps("django_telroi")
    def test_is_the_username_field(self) -> None:
        class Person(AbstractBaseUser):
            email = models.EmailField()
            USERNAME_FIELD = "email"

            class Meta:
                app_label = "django_telroi"

        assert user_name(Person(email="ada@example.com")) == "ada@example.com"

    @pytest.mark.parametrize("name", [NUMBER, "08031234567", "234-803-123-4567", "+234 803 123 4567"])
    def test_that_is_the_number_is_masked(self, name: str) -> None:
        assert "123" not in user_name(User(username=name), number=NUMBER)

    def test_that_is_another_number_is_masked_too(self) -> None:
        assert user_name(User(username="+44 7400 123456"), number=NUMBER) == "+44 7400 ••• 456"

    def test_without_a_user_is_empty(self) -> None:
        assert user_name(None) == ""

    def test_is_shortened(self) -> None:
        assert len(user_name(User(username="x" * 150))) == 80


def test_the_last_four_digits_find_the_attempts_of_each_number(staff: Client) -> None:
    rows = {make(number).pk for number in ("+2348031234567", "+2348029874567")}
    reply = staff.post(url("verificationattempt", "search"), {"term": "4567"}, follow=True)

    assert {row.pk for row in reply.context["cl"].result_list} == rows
