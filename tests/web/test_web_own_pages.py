"""A site customizes the pages: another template, another form, an action on success."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from django_telroi.testing import last_code_for, outbox
from tests.web.own_site import ThankfulCode
from tests.web.visitor import NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.urls("tests.web.own_site")


def test_a_base_template_of_the_site_needs_two_blocks(visitor: Visitor, site: Any, tmp_path: Path) -> None:
    own = tmp_path / "telroi" / "base.html"
    own.parent.mkdir()
    own.write_text(
        "<title>{% block title %}{% endblock %} · Shop</title><nav>Shop</nav>{% block content %}{% endblock %}"
    )
    site.TEMPLATES = [{**site.TEMPLATES[0], "DIRS": [str(tmp_path)]}]

    visitor.opens("/phone/").presses("Call me", number=SPELLING, agreed="on")

    assert visitor.soup.title.text == "We are calling you · Shop"
    assert visitor.soup.find("nav")
    assert len(visitor.soup.find_all("link", rel="stylesheet")) == 1


def test_a_form_with_another_field_keeps_its_value(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING, agreed="")

    assert visitor.error() == "Say yes first."
    assert visitor.field("number")["value"] == SPELLING
    assert outbox == []

    assert visitor.presses("Call me", agreed="on").heading() == "We are calling you"


def test_a_site_can_act_on_success(visitor: Visitor) -> None:
    ThankfulCode.proofs.clear()

    visitor.opens("/phone/").presses("Call me", number=SPELLING, agreed="on")
    visitor.presses("Verify", code=last_code_for(NUMBER))

    (proof,) = ThankfulCode.proofs
    assert proof
    assert visitor.heading() == "Your number is verified"
