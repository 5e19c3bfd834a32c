"""The steps of the tutorials, followed exactly in a new project and over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.stock_project import NUMBER, TUTORIALS, Form, Person, StockProject, visitor, walk

OTHER_NUMBER = "+234 803 765 4321"
PASSWORD = "a long and quiet river"


def test_the_tutorial_ends_with_a_verified_phone(tmp_path: Path) -> None:
    nothing_wrong, no_migration_missing, *addresses = walk(tmp_path)

    assert nothing_wrong == "System check identified no issues (0 silenced)."
    assert no_migration_missing == "No changes detected"
    assert len(addresses) == 2


@pytest.fixture
def project(tmp_path: Path) -> StockProject:
    """The project at the end of the first tutorial, with its superuser."""
    project = StockProject(tmp_path)
    project.follow_page(TUTORIALS / "first.rst")
    project.environment |= {
        "DJANGO_SUPERUSER_USERNAME": "ada",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
    }
    project.run("manage.py", "createsuperuser", "--no-input")
    return project


def log_in(person: Person) -> None:
    form = Form(person.page)
    person.open(form.action or person.address, {**form.fields, "username": "ada", "password": PASSWORD})


def verify(person: Person, project: StockProject, number: str) -> None:
    person.answer(number)
    person.answer(project.code_read_out())


def test_the_view_of_the_second_tutorial_is_protected(project: StockProject) -> None:
    project.follow_page(TUTORIALS / "protect.rst", to_the_end=True)

    with project.serving("/secret/") as person:
        assert "/admin/login/" in person.address
        log_in(person)
        assert "/phone/" in person.address
        assert "verified" in person.page
        verify(person, project, NUMBER)
        assert person.page == "Only people with a verified phone read this."
        person.open("/payout/")
        assert "/phone/" in person.address
        person.answer(NUMBER)
        assert "We called this number a moment ago" in person.page
        later = visitor(person.address, "/payout/")
        log_in(later)
        verify(later, project, OTHER_NUMBER)
        assert later.page == "Your payout"


def test_a_number_that_this_browser_has_just_verified_is_offered_in_the_second_tutorial(project: StockProject) -> None:
    project.follow_page(TUTORIALS / "protect.rst", to_the_end=True)

    with project.serving() as person:
        verify(person, project, NUMBER)
        person.open("/secret/")
        log_in(person)
        assert "Add this number to your account?" in person.page
        assert all(button in person.page for button in ("Add to my account", "Use another number"))


def test_the_account_of_the_third_tutorial_has_a_verified_phone(project: StockProject) -> None:
    for page in ("protect.rst", "sign_up.rst"):
        project.follow_page(TUTORIALS / page, to_the_end=True)

    with project.serving("/sign-up/") as person:
        account = {"username": "ben", "password1": PASSWORD, "password2": PASSWORD}
        sign_up(person, account)
        assert "Verify your phone" in person.page
        assert project.run("manage.py", "shell", "-v", "0", "-c", COUNT).strip() == "1"
        verify(person, project, OTHER_NUMBER)
        sign_up(person, account)
        assert person.page == "Only people with a verified phone read this."
    assert project.run("manage.py", "shell", "-v", "0", "-c", COUNT).strip() == "2"


COUNT = "from django.contrib.auth.models import User; print(User.objects.count())"


def sign_up(person: Person, account: dict[str, str]) -> None:
    """Fill in the site's own form, which is beside the card."""
    form = Form(person.page, of="sign-up")
    person.open(person.address, {**form.fields, **account})
