"""The code of the how-to pages does what the pages say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.template import engines
from django.test import Client, RequestFactory
from pytest_django import DjangoDbBlocker

import django_telroi
from django_telroi import services
from django_telroi.client import TelroiClient
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.project.stock_project import BLOCK

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
NUMBER = "+2348031234567"
CUSTOM_PROPERTY = re.compile(r"--telroi-[a-z-]*[a-z]")


def blocks_of(page: str, kind: str) -> list[str]:
    found = [match["body"] for match in BLOCK.finditer((HOWTO / page).read_text()) if match["kind"] == kind]
    return [re.sub("^   ", "", body, flags=re.MULTILINE) for body in found]


def names_of(page: str) -> dict[str, Any]:
    """What a page's Python blocks define, run one after another."""
    names: dict[str, Any] = {"__name__": page, "INSTALLED_APPS": [], "urlpatterns": []}
    for block in blocks_of(page, "python"):
        exec(block, names)
    return names


@pytest.fixture
def request_with_session(db: None) -> HttpRequest:
    request = RequestFactory().get("/account/")
    request.session = SessionStore()
    return request


@pytest.mark.django_db(transaction=True)
def test_the_services_are_called_as_the_page_says() -> None:
    page = names_of("services.rst")

    assert (
        page["ask_for_a_call"]("0803") == "This is not a phone number we know. Check the digits and the country code."
    )

    attempt = page["ask_for_a_call"](NUMBER)
    assert page["describe"](attempt) == "placed: 3 tries, another call in 60 s"
    assert page["check"](attempt, "not a code") == "invalid_code, 3 tries left"
    assert page["check"](attempt, last_code_for(NUMBER)) == "verified"


@pytest.mark.django_db(transaction=True)
def test_a_repeat_with_an_id_of_its_own_gets_the_first_attempt() -> None:
    ask_once = names_of("services.rst")["ask_once"]

    assert ask_once(NUMBER) == ask_once(NUMBER)


@pytest.mark.django_db(transaction=True)
def test_a_sign_up_redeems_a_proof_as_the_page_says() -> None:
    page = names_of("services.rst")
    attempt = page["ask_for_a_call"](NUMBER)

    user = page["sign_up"]("ada", page["prove"](attempt, last_code_for(NUMBER)))

    assert services.has_verified_phone(user)


@pytest.mark.django_db(transaction=True)
def test_a_site_that_missed_a_signal_reads_the_rows_as_the_page_says() -> None:
    page = names_of("services.rst")
    attempt = page["ask_for_a_call"](NUMBER)
    user = page["sign_up"]("ada", page["prove"](attempt, last_code_for(NUMBER)))

    assert list(page["numbers_verified_lately"]()) == [(user.pk, NUMBER, "")]


@pytest.mark.django_db(transaction=True)
def test_staff_stop_all_calls_as_the_page_says() -> None:
    page = names_of("services.rst")

    page["stop_everything"]("ada")

    assert page["ask_for_a_call"](NUMBER) == "Calls are switched off at the moment. Try again later."


@pytest.mark.django_db(transaction=True)
def test_a_person_is_told_what_is_held_and_forgotten_as_the_page_says() -> None:
    page = names_of("privacy.rst")
    services.start_verification(NUMBER)

    told = json.loads(page["what_we_hold_of"](NUMBER))

    assert (len(told["attempts"]), page["forget"](NUMBER, "ada")) == (1, 1)
    assert json.loads(page["what_we_hold_of"](NUMBER))["attempts"] == []


def test_the_client_is_used_as_the_page_says() -> None:
    ring = names_of("client.rst")["ring"]

    with Simulator() as telroi, TelroiClient(telroi.api_key, base_url=telroi.base_url) as client:
        telroi.fail_next("reset")
        cut_off = ring(client, NUMBER)
        too_soon = ring(client, NUMBER)
        client.close()
        with telroi.refusing():
            refused = ring(client, NUMBER)

    assert cut_off == "the phone may ring: do not ask again by yourself"
    assert too_soon.startswith("Telroi said no: 429 rate_limited, wait ")
    assert refused == "nothing was sent: it is safe to ask again"


@pytest.mark.parametrize("story", ["VerifyingMyPhone", "WhenTheLineGoesDead"])
def test_a_site_tests_itself_as_the_page_says(
    story: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(names_of("tests.rst")[story])
    result = unittest.TestResult()

    with django_db_blocker.unblock():
        suite.run(result)

    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


@pytest.mark.django_db(transaction=True)
def test_the_fixture_is_used_as_the_page_says() -> None:
    outbox.clear()

    names_of("tests.rst")["test_a_code_is_six_digits_long"](telroi_outbox=outbox, db=None)


def test_the_form_is_dropped_into_a_page_beside_its_own(request_with_session: HttpRequest) -> None:
    (page,) = blocks_of("form.rst", "django")

    html = engines["django"].from_string(page).render({}, request_with_session)

    assert html.index("</form>") < html.index("telroi-card")
    assert (html.count("telroi/telroi.css"), html.count("telroi/telroi.js")) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_verified_person_is_found_and_told_of_as_the_page_says(django_user_model: Any) -> None:
    page, answers = names_of("form.rst"), names_of("services.rst")
    user = django_user_model.objects.create_user("ada")

    answers["check"](answers["ask_for_a_call"](NUMBER, user), last_code_for(NUMBER), user)

    assert page["numbers_of"](user) == [NUMBER]
    assert page["may_withdraw"](user)
    assert page["verified"] == [(user, NUMBER, "")]


def test_the_page_of_the_site_stands_around_the_card(settings: LazySettings, client: Client, db: None) -> None:
    (base,) = blocks_of("look.rst", "django")
    site = "<title>{% block title %}{% endblock %}</title><nav>My site</nav>{% block main %}{% endblock %}"
    ours, *others = settings.TEMPLATES
    own = ("django.template.loaders.locmem.Loader", {"telroi/base.html": base, "site.html": site})
    loaders = [own, "django.template.loaders.app_directories.Loader"]
    settings.TEMPLATES = [{**ours, "APP_DIRS": False, "OPTIONS": {**ours["OPTIONS"], "loaders": loaders}}, *others]

    html = client.get("/phone/").content.decode()

    assert html.index("<nav>My site</nav>") < html.index("telroi-card")
    assert html.count("telroi/telroi.css") == 1


def test_the_page_names_every_custom_property() -> None:
    stylesheet = Path(django_telroi.__file__).parent / "static" / "telroi" / "telroi.css"

    used = set(re.findall(r"var\((--telroi-[a-z-]+)", stylesheet.read_text()))

    assert set(CUSTOM_PROPERTY.findall((HOWTO / "look.rst").read_text())) == used


def test_the_celery_page_makes_a_site_whose_web_process_knows_its_broker(tmp_path: Path) -> None:
    blocks = [match for match in BLOCK.finditer((HOWTO / "celery.rst").read_text()) if match["kind"] == "python"]
    site = tmp_path / "example"
    site.mkdir()
    base = 'SECRET_KEY = "x"\nUSE_TZ = True\nINSTALLED_APPS = ["django_telroi"]\n'
    (site / "settings.py").write_text(base)
    for match in blocks:
        if (match["file"] or "").startswith("example/"):
            with (tmp_path / match["file"]).open("a") as file:
                file.write(re.sub("^   ", "", match["body"], flags=re.MULTILINE))
    look = (
        "import example, django; django.setup()\n"
        "from django_telroi.checks.queueing import check_queue\n"
        "from django_telroi.dispatch import broker_url, site_app\n"
        "app = site_app()\n"
        "app.loader.import_default_modules()\n"
        "print(list(check_queue()), app.main, broker_url(app), 'django_telroi.tasks.place_call' in app.tasks)\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "example.settings"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout == "[] example redis://127.0.0.1:6379/0 True\n", done.stderr


def test_the_logging_of_the_page_prints_the_info_events() -> None:
    (block,) = blocks_of("logs.rst", "python")
    look = (
        f"{block}\n"
        "import logging, logging.config\n"
        "logging.config.dictConfig(LOGGING)\n"
        "logging.getLogger('django_telroi').info('call_placed attempt=1')\n"
        "logging.getLogger('django_telroi.client').info('telroi_refused')\n"
        "logging.getLogger('django_telroi.client').debug('telroi_answered')\n"
    )

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert [line.split(" ", 2)[2] for line in done.stderr.splitlines()] == [
        "INFO call_placed attempt=1",
        "INFO telroi_refused",
    ]
