"""The code of the how-to pages does what the pages say."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
from gettext import GNUTranslations
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.http import HttpRequest
from django.template import engines
from django.test import Client, RequestFactory

import django_telroi
from django_telroi import services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import TelroiClient
from django_telroi.limits.counting import cache_digest
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services import Proof
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for
from tests.docs_blocks import DOCS, blocks_of_page

HOWTO = DOCS / "howto"
NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348031234568"
CUSTOM_PROPERTY = re.compile(r"--telroi-[a-z-]*[a-z]")


def path_of(page: str) -> str:
    """Return the path in ``docs``. A page without a folder is one of ``howto``."""
    return page if "/" in page else f"howto/{page}"


def blocks_of(page: str, kind: str) -> list[str]:
    return [block.body for block in blocks_of_page(path_of(page)) if block.kind == kind]


def names_of(page: str) -> dict[str, Any]:
    """Run the Python blocks of a page in order, and return what they define.

    A block may import what earlier ones define from ``accounts.views``.
    """
    names: dict[str, Any] = {
        "__name__": page,
        "INSTALLED_APPS": [],
        "REST_FRAMEWORK": {},
        "TELROI": {},
        "urlpatterns": [],
    }
    # A page may register classes of its own. They must not stay registered for other tests.
    registry = admin.site._registry
    before = dict(registry)
    views = ModuleType("accounts.views")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "accounts", ModuleType("accounts"))
            patch.setitem(sys.modules, "accounts.views", views)
            for block in blocks_of(page, "python"):
                exec(block, names)
                vars(views).update(names)
        names["registered_by_page"] = dict(registry)
    finally:
        registry.clear()
        registry.update(before)
    return names


def names_of_files(page: str) -> dict[str, Any]:
    """Run the Python blocks of a page, each file in a namespace of its own, and return what they define.

    ``accounts.views`` is the file ``views.py`` of the page, for the blocks after it. A missing import raises NameError
    when the code runs.
    """
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "accounts", ModuleType("accounts"))
        for block in blocks_of_page(path_of(page)):
            # Settings need the values of a project. test_docs_blocks runs them.
            if block.kind == "python" and block.file != "settings.py":
                name = f"accounts.{Path(block.file or 'page.py').stem}"
                module = sys.modules.get(name) or ModuleType(name)
                patch.setitem(sys.modules, name, module)
                exec(block.body, vars(module))
                names |= vars(module)
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
def test_a_repeat_with_its_own_id_returns_the_first_attempt() -> None:
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
def test_a_person_exports_and_erases_their_data_as_the_page_says() -> None:
    page = names_of("privacy.rst")
    services.start_verification(NUMBER)

    told = json.loads(page["what_we_hold_of"](NUMBER))

    assert (len(told["attempts"]), page["forget"](NUMBER, "ada")) == (1, 1)
    assert json.loads(page["what_we_hold_of"](NUMBER))["attempts"] == []


@pytest.mark.django_db(transaction=True)
def test_an_account_is_deleted_with_the_attempts_of_its_numbers_as_the_page_says() -> None:
    ada = User.objects.create_user("ada")
    attempt = services.start_verification(NUMBER, user=ada)
    assert services.check_code(attempt.uuid, last_code_for(NUMBER), user=ada).outcome == "verified"

    names_of("privacy.rst")["delete_account"](ada, "staff")

    assert not User.objects.exists()
    assert not VerificationAttempt.objects.exists()
    assert not VerifiedPhone.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_account_is_exported_with_its_numbers_and_its_attempts_to_other_numbers() -> None:
    page = names_of("privacy.rst")
    ada = User.objects.create_user("ada")
    attempt = services.start_verification(NUMBER, user=ada)
    services.check_code(attempt.uuid, last_code_for(NUMBER), user=ada)
    other = services.start_verification(OTHER_NUMBER, user=ada)
    services.check_code(other.uuid, "000000" if last_code_for(OTHER_NUMBER) != "000000" else "111111", user=ada)

    held = json.loads(page["account_as_json"](ada))

    assert [export["number"]["number"] for export in held["numbers"]] == [NUMBER]
    assert [each["number"] for each in held["attempts_to_other_numbers"]] == ["+234 803 ••• 4568"]
    assert (held["logins_by_phone"], held["wrong_codes"]) == ([], 1)


def test_the_client_is_used_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    names = names_of("client.rst")
    ring = names["ring"]
    # The hook of the page saw the answer to the call of the page.
    assert capsys.readouterr().out.startswith("200 0.")
    assert issubclass(names["NotingBackend"], TelroiBackend)

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


def test_the_form_is_inserted_into_a_page_beside_its_own(request_with_session: HttpRequest) -> None:
    page, *_ = blocks_of("form.rst", "django")

    html = engines["django"].from_string(page).render({}, request_with_session)

    assert html.index("</form>") < html.index("telroi-card")
    assert (html.count("telroi/telroi.css"), html.count("telroi/telroi.js")) == (1, 1)


def test_a_number_on_file_is_passed_as_the_page_says(request_with_session: HttpRequest) -> None:
    _, stored, _ = blocks_of("form.rst", "django")
    request_with_session.path = "/account/"
    user = SimpleNamespace(phone=NUMBER)

    html = engines["django"].from_string("{% load telroi %}" + stored).render({"user": user}, request_with_session)

    assert "We call" in html
    assert NUMBER not in html


@pytest.mark.django_db(transaction=True)
def test_a_rotation_of_the_secret_key_keeps_what_the_page_says(settings: LazySettings) -> None:
    old, new = settings.SECRET_KEY, "the new key"
    settings.SECRET_KEY_FALLBACKS = [new]
    first = services.start_verification(NUMBER)
    link = services.do_not_call_path(NUMBER)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    result = services.check_code(first.uuid, last_code_for(NUMBER))
    second = services.start_verification(OTHER_NUMBER)
    count = cache_digest("start", "ip", "203.0.113.5")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = old, [new]  # a process that was not restarted yet

    assert result.outcome == "verified"
    assert Proof.read(str(result.proof), purpose="").number == NUMBER
    assert services.check_code(second.uuid, last_code_for(OTHER_NUMBER)).outcome == "verified"
    assert cache_digest("start", "ip", "203.0.113.5") != count
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = new, [old]
    assert Client().get(link).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert Client().get(link).status_code != 200


def test_an_app_is_counted_by_the_token_that_the_site_signed() -> None:
    [block] = [each for each in blocks_of_page("howto/limits.rst") if each.file == "accounts/app_keys.py"]
    page: dict[str, Any] = {}
    exec(block.body, page)
    token = signing.Signer(salt="device").sign("device 7")

    keys = [page["rate_keys"](RequestFactory().get("/", headers=headers)) for headers in ({"X-Device": token}, {})]

    assert keys == [{"device": "device 7"}, {}]


@pytest.mark.django_db(transaction=True)
def test_a_verified_person_is_found_and_notified_as_the_page_says(django_user_model: Any) -> None:
    page, answers = names_of_files("form.rst"), names_of("services.rst")
    user = django_user_model.objects.create_user("ada")

    answers["check"](answers["ask_for_a_call"](NUMBER, user), last_code_for(NUMBER), user)

    assert page["numbers_of"](user) == [NUMBER]
    assert page["may_withdraw"](user)
    assert page["verified"] == [(user, NUMBER, "")]


def test_the_sites_base_template_surrounds_the_card(settings: LazySettings, client: Client, db: None) -> None:
    base, _alternative, consent = blocks_of("look.rst", "django")
    site = "<title>{% block title %}{% endblock %}</title><nav>My site</nav>{% block main %}{% endblock %}"
    ours, *others = settings.TEMPLATES
    own = (
        "django.template.loaders.locmem.Loader",
        {"telroi/base.html": base, "site.html": site, "telroi/consent.html": consent},
    )
    loaders = [own, "django.template.loaders.app_directories.Loader"]
    settings.TEMPLATES = [{**ours, "APP_DIRS": False, "OPTIONS": {**ours["OPTIONS"], "loaders": loaders}}, *others]

    html = client.get("/phone/").content.decode()

    assert html.index("<nav>My site</nav>") < html.index("telroi-card")
    assert html.count("telroi/telroi.css") == 1
    assert 'our <a href="/terms/">terms</a>' in html


def test_a_site_changes_an_english_text(settings: LazySettings, client: Client, db: None, tmp_path: Path) -> None:
    (block,) = blocks_of("look.rst", "po")
    messages = messages_of(block)
    text, own = list(messages.items())[-1]
    catalog = tmp_path / "en" / "LC_MESSAGES" / "django.mo"
    catalog.parent.mkdir(parents=True)
    catalog.write_bytes(compiled_messages(messages))
    before = client.get("/phone/").content.decode()

    settings.LOCALE_PATHS = [tmp_path]
    after = client.get("/phone/").content.decode()

    assert (text in before, own in before) == (True, False)
    assert (text in after, own in after) == (False, True)


@pytest.mark.parametrize("page", ["look.rst", "languages.rst"])
def test_a_catalogue_of_the_page_may_have_an_umlaut(page: str) -> None:
    block = blocks_of(page, "po")[0]
    own = list(messages_of(block).values())[-1]
    messages = messages_of(block.replace(own, f"{own} für Jörg"))
    without_header = {text: translation for text, translation in messages.items() if text}

    catalogue = GNUTranslations(io.BytesIO(compiled_messages(messages)))

    assert catalogue.gettext(list(messages)[-1]) == f"{own} für Jörg"
    with pytest.raises(UnicodeDecodeError):
        GNUTranslations(io.BytesIO(compiled_messages(without_header)))


def messages_of(catalogue: str) -> dict[str, str]:
    """Return the messages of a catalogue with one line for each text. The key of a message with a context has both."""
    found = re.findall(r'^(?:msgctxt "(.+)"\n)?msgid "(.*)"\nmsgstr "(.+)"$', catalogue, re.MULTILINE)
    return {f"{context}\4{text}" if context else text: own.replace(r"\n", "\n") for context, text, own in found}


def compiled_messages(messages: dict[str, str]) -> bytes:
    """Return the file that ``compilemessages`` makes: a header, a table for each of the two lists, then the texts."""
    pairs = sorted((source.encode(), own.encode()) for source, own in messages.items())
    texts = [source for source, _ in pairs] + [own for _, own in pairs]
    starts = [28 + 8 * len(texts) + sum(len(each) + 1 for each in texts[:index]) for index in range(len(texts))]
    tables = [number for text, start in zip(texts, starts, strict=True) for number in (len(text), start)]
    header = (0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return struct.pack(f"<7I{len(tables)}I", *header, *tables) + b"".join(text + b"\0" for text in texts)


def test_the_page_names_every_custom_property() -> None:
    stylesheet = Path(django_telroi.__file__).parent / "static" / "telroi" / "telroi.css"

    used = set(re.findall(r"var\((--telroi-[a-z-]+)", stylesheet.read_text()))

    assert set(CUSTOM_PROPERTY.findall((HOWTO / "look.rst").read_text())) == used


def test_the_celery_page_makes_a_site_whose_web_process_knows_its_broker(tmp_path: Path) -> None:
    blocks = [block for block in blocks_of_page("howto/celery.rst") if block.kind == "python"]
    site = tmp_path / "example"
    site.mkdir()
    base = 'SECRET_KEY = "x"\nUSE_TZ = True\nINSTALLED_APPS = ["django_telroi"]\nTELROI = {}\n'
    (site / "settings.py").write_text(base)
    for block in blocks:
        if block.file.startswith("example/"):
            with (tmp_path / block.file).open("a") as file:
                file.write(block.body)
    look = (
        "import example, django; django.setup()\n"
        "from django_telroi.checks.queueing import check_queue\n"
        "from django_telroi.dispatch.celery_broker import broker_url, site_app\n"
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


def test_the_logging_configuration_prints_the_info_events() -> None:
    with_json, block = sorted(blocks_of("logs.rst", "python"), key=lambda text: '"line"' in text)
    assert "pythonjsonlogger" in with_json
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


def test_the_inline_is_registered_instead_of_djangos_user_admin() -> None:
    page = names_of("admin.rst")

    assert isinstance(page["registered_by_page"][page["User"]], page["OwnUserAdmin"])
    assert not isinstance(admin.site._registry[page["User"]], page["OwnUserAdmin"])
