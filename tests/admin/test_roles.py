"""Permissions: five roles at every URL and action of this app, as in the table of the docs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, reverse

from django_telroi import services
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import shows_a_whole_number, url
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

TABLE = Path(__file__).parents[2] / "docs" / "howto" / "admin_rights.csv"
ROLES = ("no staff", "staff", "viewer", "operator", "superuser")
"""The roles in order. Each has the permissions of the roles before it. The table names the first permitted role."""
OURS = ("phonenumber", "verificationattempt", "verifiedphone")
VIEWS = tuple(f"view_{model}" for model in OURS)
ACTION = "action "


class Right(NamedTuple):
    name: str
    method: str
    first: str

    def holds_for(self, role: str) -> bool:
        return self.first in ROLES and ROLES.index(role) >= ROLES.index(self.first)


def table() -> list[Right]:
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Right(row["Name"], method, row[method]) for row in rows for method in ("GET", "POST") if row[method]]


def own_permissions() -> set[str]:
    return {
        codename
        for model in apps.get_app_config("django_telroi").get_models()
        for codename, _ in model._meta.permissions
    }


def addresses(patterns: list[Any], within: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Return the names of all URLs of the admin that belong to this app."""
    for pattern in patterns:
        route = within + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif "django_telroi" in route:
            yield (pattern.name or route), pattern


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def person(role: str, db: None) -> User:
    user = User.objects.create_user("lin", is_staff=role != "no staff", is_superuser=role == "superuser")
    granted = {"viewer": set(VIEWS), "operator": {*VIEWS, *own_permissions()}}.get(role, set())
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_telroi", codename__in=granted))
    return user


@pytest.fixture
def here(person: User, client: Client) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def rows() -> dict[str, int]:
    """Create one row of each model. Return the keys by model."""
    ada = User.objects.create_user("ada")
    attempt = services.start_verification(NUMBER, user=ada)
    phone = VerifiedPhone.objects.create(user=ada, number=NUMBER, verified_at=attempt.created_at, attempt=attempt)
    AttemptEvent.objects.create(attempt=attempt, kind="late_reply")
    return {
        "phonenumber": PhoneNumber.objects.get().pk,
        "verificationattempt": attempt.pk,
        "verifiedphone": phone.pk,
    }


def address(name: str, rows: dict[str, int]) -> str:
    if name == "app_list":
        return reverse("admin:app_list", args=["django_telroi"])
    full = f"admin:django_telroi_{name}"
    patterns = dict(addresses(admin.site.get_urls()))
    takes_a_row = "object_id" in str(patterns[f"django_telroi_{name}"].pattern)
    return reverse(full, args=[rows[name.partition("_")[0]]] if takes_a_row else [])


def is_let_in(client: Client, method: str, where: str) -> bool:
    """Roll back, so that each URL is tested with the same rows."""
    with transaction.atomic():
        reply = client.generic(method, where, content_type="application/x-www-form-urlencoded")
        transaction.set_rollback(True)
    assert reply.status_code in {200, 302, 403, 404, 405}, (where, reply.status_code)
    return reply.status_code in {200, 302} and "/login/" not in reply.headers.get("Location", "")


def test_the_table_contains_every_url_of_the_admin() -> None:
    names = {name for name, _ in addresses(admin.site.get_urls())}
    known = {name.removeprefix("django_telroi_") for name in names if name.startswith("django_telroi_")}

    in_table = {right.name for right in table() if not right.name.startswith(ACTION)}

    assert in_table == known | {"app_list"}
    unnamed = {name for name in names if not name.startswith("django_telroi_")} - {"app_list"}
    assert all("object_id" in name for name in unnamed)  # the URL with only an id, tested below


def test_the_table_contains_only_existing_roles() -> None:
    assert {right.first for right in table()} <= {*ROLES, "none"}


def test_every_role_can_open_the_urls_that_the_table_lists(role: str, here: Client, rows: dict[str, int]) -> None:
    rights = [right for right in table() if not right.name.startswith(ACTION)]

    let_in = {(right.name, right.method): is_let_in(here, right.method, address(right.name, rows)) for right in rights}

    assert let_in == {(right.name, right.method): right.holds_for(role) for right in rights}


def test_every_role_is_offered_the_actions_that_the_table_lists(role: str, person: User) -> None:
    request = RequestFactory().get("/")
    request.user = person

    offered = {
        f"{ACTION}{model._meta.model_name} {action}"
        for model, page in admin.site._registry.items()
        if model._meta.app_label == "django_telroi"
        for action in page.get_actions(request)
    }

    assert offered == {right.name for right in table() if right.name.startswith(ACTION) and right.holds_for(role)}


def test_a_url_with_only_an_id_redirects_to_the_row(here: Client, rows: dict[str, int]) -> None:
    for model in OURS:
        reply = here.get(url(model, "changelist") + f"{rows[model]}/")

        assert reply.status_code == 302
        assert reply.headers["Location"].startswith((url(model, "change", rows[model]), "/admin/login/"))


class TestEvidence:
    """Attempts and events: no user can add, change or delete them, with any permissions."""

    @pytest.fixture
    def mighty(self, client: Client) -> Client:
        """Not a superuser, but a user with every permission."""
        user = User.objects.create_user("max", is_staff=True)
        user.user_permissions.set(Permission.objects.all())
        client.force_login(user)
        return client

    @pytest.mark.parametrize("model", OURS)
    def test_cannot_be_changed_by_any_post(self, mighty: Client, rows: dict[str, int], model: str) -> None:
        before = everything()
        form = {"post": "yes", "_save": "1", "_popup": "1", "_to_field": "number", "status": "verified", "tries": "0"}
        selected = {"action": "delete_selected", "_selected_action": [rows[model]], "select_across": "1", "post": "yes"}
        edited = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(rows[model]), "_save": "Save"}

        replies = [
            mighty.post(url(model, "add"), form),
            mighty.post(url(model, "add") + "?_to_field=number&_popup=1", form),
            mighty.post(url(model, "change", rows[model]), form),
            mighty.post(url(model, "change", rows[model]), {"_saveasnew": "1"}),
            mighty.post(url(model, "delete", rows[model]), form),
            mighty.post(url(model, "delete", rows[model]) + "?_popup=1&_to_field=id", form),
        ]
        mighty.post(url(model, "changelist"), selected)
        mighty.post(url(model, "changelist"), edited)

        assert {reply.status_code for reply in replies} <= {400, 403}
        assert everything() == before

    def test_is_kept_when_its_user_is_deleted(self, mighty: Client, rows: dict[str, int]) -> None:
        ada = User.objects.get(username="ada")
        where = reverse("admin:auth_user_delete", args=[ada.pk])

        asked = mighty.get(where)
        mighty.post(where, {"post": "yes"})

        assert "erification attempt" not in asked.content.decode().split('id="content"')[-1]
        assert not User.objects.filter(pk=ada.pk).exists()
        assert (VerificationAttempt.objects.get().user_id, VerifiedPhone.objects.count()) == (None, 0)
        assert AttemptEvent.objects.filter(kind="late_reply").exists()

    def test_is_kept_when_many_users_are_deleted_at_once(self, mighty: Client, rows: dict[str, int]) -> None:
        ada = User.objects.get(username="ada")
        form = {"action": "delete_selected", "_selected_action": [ada.pk], "post": "yes"}

        mighty.post(reverse("admin:auth_user_changelist"), form)

        assert not User.objects.filter(pk=ada.pk).exists()
        assert VerificationAttempt.objects.count() == 1

    def test_of_a_verified_phone_needs_its_own_delete_permission(self, client: Client, rows: dict[str, int]) -> None:
        clerk = User.objects.create_user("kim", is_staff=True)
        clerk.user_permissions.set(Permission.objects.filter(codename__in=["delete_user", "view_user"]))
        client.force_login(clerk)

        reply = client.post(
            reverse("admin:auth_user_delete", args=[User.objects.get(username="ada").pk]), {"post": "yes"}
        )

        assert reply.status_code == 403
        assert VerifiedPhone.objects.count() == 1

    @pytest.mark.parametrize(
        ("model", "field"),
        [
            ("verificationattempt", "phone"),
            ("attemptevent", "phone"),
            ("attemptevent", "attempt"),
            ("verifiedphone", "attempt"),
        ],
    )
    def test_is_not_listed_by_the_autocomplete_view(
        self, mighty: Client, rows: dict[str, int], model: str, field: str
    ) -> None:
        query = {"app_label": "django_telroi", "model_name": model, "field_name": field, "term": "4567"}

        reply = mighty.get(reverse("admin:autocomplete"), query)

        assert reply.status_code in {403, 404}
        assert not shows_a_whole_number(reply.content.decode())


def everything() -> list[Any]:
    models = (PhoneNumber, VerificationAttempt, AttemptEvent, VerifiedPhone)
    return [list(model._default_manager.order_by("pk").values()) for model in models]
