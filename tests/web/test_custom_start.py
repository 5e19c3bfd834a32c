"""A start form with more fields, as docs/howto/form.rst has it: on the page and in a page of the site."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.urls import path

from django_telroi.testing import last_code_for, outbox
from tests.project.test_howto import names_of_files
from tests.web.site import page_with
from tests.web.visitor import NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.django_db

SITE = "site_of_a_custom_form"


@pytest.fixture(params=["/phone/", "/here/"])
def person(request: pytest.FixtureRequest, site: Any, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    urls = ModuleType(SITE)
    documented = names_of_files("form.rst")["urlpatterns"]
    urls.urlpatterns = [*documented, path("here/", page_with("{% phone_verify %}"))]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, SITE, urls)
    site.ROOT_URLCONF = SITE
    return visitor.opens(request.param)


@pytest.mark.parametrize(
    ("order", "error"), [("", "Type your order number."), ("12", "An order number has six digits.")]
)
def test_a_missing_or_wrong_field_has_its_error_and_nobody_is_called(person: Visitor, order: str, error: str) -> None:
    person.presses("Call me", number=SPELLING, order=order)

    assert (person.error(), len(outbox)) == (error, 0)
    assert (person.field("number")["value"], person.field("order").get("value", "")) == (SPELLING, order)
    assert person.field("order")["aria-invalid"] == "true"


def test_the_errors_stay_after_change_number(person: Visitor) -> None:
    person.presses("Call me", number=SPELLING, order="123456").presses("Change number")

    person.presses("Call me", number=SPELLING)

    assert person.error() == "Type your order number."


def test_a_complete_form_requests_the_call(person: Visitor) -> None:
    person.presses("Call me", number=SPELLING, order="123456")

    assert person.heading() == "We are calling you"
    assert person.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"
