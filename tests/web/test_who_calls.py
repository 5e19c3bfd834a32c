"""The cards say who calls, what the number is for, and warn that the site never asks for the code."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from django.utils.translation import gettext_lazy

from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, SPELLING, Visitor

PAGES = ["/phone/", "/here/"]


@pytest.fixture(params=PAGES)
def person(request: pytest.FixtureRequest, settings: Any, visitor: Visitor) -> Visitor:
    """A person at the page and at a drop-in card."""
    settings.ROOT_URLCONF = "tests.web.site"
    return visitor.opens(request.param)


def words(visitor: Visitor) -> str:
    return " ".join(visitor.card().text.split())


def test_the_host_is_named_by_default(person: Visitor) -> None:
    assert "The call comes from testserver." in words(person)

    person.presses("Call me", number=SPELLING)

    assert "Nobody from testserver will phone or write to you to ask for this code." in words(person)


def test_the_setting_names_the_site_and_is_escaped(person: Visitor, site: Any) -> None:
    site.TELROI = {"SITE_NAME": "Ring & <well>"}

    assert "The call comes from Ring & <well>." in words(person.opens(person.path))
    assert "Nobody from Ring & <well> will" in words(person.presses("Call me", number=SPELLING))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "10.0.0.7"])
def test_an_address_is_no_name_for_people(host: str, settings: Any, visitor: Visitor) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    card = words(visitor.opens("/phone/", Host=host))

    assert "The call comes from this site." in card
    assert host not in card


SITES = """
import sys
from django.conf import settings
from tests import settings as ours

names = ("INSTALLED_APPS", "MIDDLEWARE", "TEMPLATES", "STATIC_URL", "SECRET_KEY", "DATABASES", "USE_TZ")
chosen = {name: getattr(ours, name) for name in names}
settings.configure(**chosen, ROOT_URLCONF="tests.web.site", DEBUG=True, SITE_ID=1)
settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.sites"]
settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
import django

django.setup()
from django.contrib.sites.models import Site
from django.core.management import call_command
from django.test import Client

call_command("migrate", verbosity=0)
for change in ({}, {"name": "Ringwell"}):
    Site.objects.filter(pk=1).update(**change) if change else None
    Site.objects.clear_cache()
    print(Client(headers={"Host": "localhost"}).get("/phone/").content.decode())
Site.objects.all().delete()
Site.objects.clear_cache()
print(Client(headers={"Host": "localhost"}).get("/phone/").content.decode())
"""


def test_the_current_site_is_named_if_it_is_installed() -> None:
    # In its own process, because a model stays in the registry of apps when its app is not installed any more.
    done = subprocess.run([sys.executable, "-c", SITES], capture_output=True, text=True, check=True, timeout=600)

    assert re.findall("The call comes from <bdi>(.+?)</bdi>", done.stdout) == ["localhost", "Ringwell", "localhost"]


def test_a_purpose_has_its_sentence(visitor: Visitor, site: Any) -> None:
    site.TELROI = {
        "PURPOSES": ["", "signup"],
        "PURPOSE_TEXTS": {"signup": gettext_lazy("We need your number to create your account.")},
    }

    assert "We need your number to create your account." in words(visitor.opens("/phone/?purpose=signup"))
    assert "create your account" not in words(visitor.opens("/phone/"))


def test_the_texts_of_the_site_keep_their_own_direction(visitor: Visitor, site: Any) -> None:
    # Without it, an English sentence in the Arabic card ends with its full stop on the wrong side.
    site.TELROI = {
        "PURPOSES": ["", "signup"],
        "PURPOSE_TEXTS": {"signup": "We need your number."},
        "CONSENT_TEXT": "You agree to one call.",
    }

    card = visitor.opens("/phone/?purpose=signup").card()

    isolated = [each.text for each in card.find_all("bdi")]
    assert {"We need your number.", "You agree to one call."} <= set(isolated)


def test_the_line_of_consent_is_above_the_button(person: Visitor, site: Any) -> None:
    assert person.card().find(class_="telroi-consent") is None
    site.TELROI = {"CONSENT_TEXT": "With the button you agree to one automated call."}

    form = person.opens(person.path).card().find("form").decode()

    assert form.index("automated call") < form.index("Call me")


def test_every_button_that_requests_a_call_is_below_the_line_of_consent(person: Visitor, site: Any) -> None:
    site.TELROI = {"CONSENT_TEXT": "You agree to one call."}

    def is_below_the_line(button: str) -> bool:
        buttons = [each.text for each in person.card().find(class_="telroi-consent").find_all_next("button")]
        return any(each.startswith(button) for each in buttons)

    person.opens(person.path).presses("Call me", number=NUMBER.removeprefix("+"))
    assert is_below_the_line("Did you mean")
    assert all(line.find_previous("button") is None for line in person.card().find_all(class_="telroi-consent"))

    person.presses("Call me", number=SPELLING)
    assert (person.heading(), is_below_the_line("Call again")) == ("We are calling you", True)

    let_time_pass(301)
    person.opens("/here/" if person.path == "/here/" else "/phone/code/")
    assert (person.heading(), is_below_the_line("Call again")) == ("This code has expired", True)


def test_a_call_that_failed_and_a_call_after_a_wait_have_the_line_too(
    person: Visitor, site: Any, telroi: Simulator
) -> None:
    site.TELROI = {**site.TELROI, "CONSENT_TEXT": "You agree to one call."}
    person.opens(person.path).presses("Call me", number=SPELLING)
    attempts = VerificationAttempt.objects.filter(phone__number=NUMBER)
    attempts.update(status="failed", error_code="unavailable")

    person.opens("/here/" if person.path == "/here/" else "/phone/code/")

    line = person.card().find(class_="telroi-consent")
    assert [each.text for each in line.find_all_next("button")][:1] == ["Try again"]


@pytest.mark.urls("tests.web.stored_site")
def test_a_card_with_a_number_on_file_says_it_too(visitor: Visitor, site: Any, django_user_model: Any) -> None:
    site.TELROI = {"SITE_NAME": "Ringwell", "CONSENT_TEXT": "You agree to one call."}
    visitor.client.force_login(django_user_model.objects.create_user("ada", first_name=NUMBER))

    text = words(visitor.opens("/card/"))

    assert "The call comes from Ringwell." in text
    assert "You agree to one call." in text


def test_a_template_of_the_site_can_replace_each_block(visitor: Visitor, settings: Any, tmp_path: Any) -> None:
    folder = tmp_path / "telroi"
    folder.mkdir()
    for name, block in {"caller": "purpose", "consent": "consent", "warning": "warning"}.items():
        text = f'{{% extends "telroi/{name}.html" %}}{{% block {block} %}}<p>Own {block}</p>{{% endblock %}}'
        (folder / f"{name}.html").write_text(text)
    templates = settings.TEMPLATES[0]
    settings.TEMPLATES = [{**templates, "DIRS": [tmp_path, *templates.get("DIRS", [])]}]

    first = words(visitor.opens("/phone/"))
    second = words(visitor.presses("Call me", number=SPELLING))

    assert ("Own purpose" in first, "Own consent" in first, "Own warning" in second) == (True, True, True)
    assert "The call comes from testserver." in first
