"""The card in a page of Wagtail, and a page for people with a verified phone."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from wagtail.models import Page, Site

from django_telroi import services
from django_telroi.testing import last_code_for, outbox
from tests.docs_blocks import run_pages
from tests.web.visitor import NUMBER, Visitor

pytestmark = pytest.mark.django_db

DOCS = "integrations/wagtail.rst"


def page_of(kind: str, title: str) -> Page:
    """Return a published page of this type below the home page."""
    page = apps.get_model("home", kind)(title=title, slug=title.lower())
    Site.objects.get().root_page.add_child(instance=page)
    return page


@pytest.fixture
def visitor() -> Visitor:
    outbox.clear()
    return Visitor(Client())


def verify(visitor: Visitor) -> None:
    visitor.presses("Call me", number=NUMBER).presses("Verify", code=str(last_code_for(NUMBER)))


def test_every_block_of_the_page_runs() -> None:
    assert run_pages([DOCS], "tests.bridges.wagtail.settings") == {DOCS: []}


def test_a_visitor_verifies_a_number_in_a_page(visitor: Visitor) -> None:
    page_of("PhonePage", "Number")

    verify(visitor.opens("/number/"))

    assert visitor.path == "/number/"
    assert visitor.heading() == "Your number is verified"


def test_only_verified_people_open_a_members_page(visitor: Visitor) -> None:
    page_of("MembersPage", "Members")
    user = User.objects.create_user("ada")

    visitor.opens("/members/")
    assert visitor.path.startswith("/django-admin/login/")
    visitor.client.force_login(user)
    verify(visitor.opens("/members/"))

    assert visitor.path == "/members/"
    assert services.has_verified_phone(user)
    assert "Your phone is verified." in visitor.soup.text


@pytest.mark.parametrize(("kind", "text"), [("PhonePage", "Call me"), ("MembersPage", "Preview")])
def test_an_editor_sees_the_preview(kind: str, text: str) -> None:
    page = page_of(kind, "Preview")

    preview = page.make_preview_request(RequestFactory().get("/", HTTP_HOST="testserver"))

    assert preview.status_code == 200
    assert text in preview.render().content.decode()
