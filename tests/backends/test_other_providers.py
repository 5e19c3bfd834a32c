"""A site with another provider gets no messages about Telroi's key, limits and webhooks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.checks import CheckMessage, Tags, run_checks
from django.core.management import call_command
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from django_telroi import services
from django_telroi.backends import Backend, KeyInUse, is_own_backend, uses_telroi
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import Misconfigured
from django_telroi.management.doctor.findings import Finding
from django_telroi.management.doctor.rows import examine_rows
from django_telroi.management.doctor.telroi_api import examine_backend
from django_telroi.models import AttemptEvent, EventKind, RefusalTally, VerificationAttempt
from django_telroi.services.shared.site_control import PauseReason, pause_calls
from django_telroi.simulator import Simulator
from django_telroi.web import card_texts
from tests.calling_site import Configure
from tests.services.world import NUMBER

HERE = __name__
TEST_KEY = "tlr_test_Canary0Key0Canary0Key0Canary"


class Ringwell(Backend):
    """A backend of a provider that speaks at most six digits."""

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=min(asked, 6), expected=min(asked, 6), is_certain=True)

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        return OtpCall(id="RV01", to=to)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=False)


class Silent(Ringwell):
    rings: ClassVar[bool] = False


class Unfinished(Ringwell):
    def __init__(self) -> None:
        raise Misconfigured


class Crashing(Ringwell):
    def __init__(self) -> None:
        raise KeyError("CARRIER_TOKEN")


class LoggedTelroi(TelroiBackend):
    """A subclass of Telroi's backend, written by the site."""


@pytest.fixture
def _in_production(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    settings.DEBUG = False


def found(*, deploy: bool = True) -> list[CheckMessage]:
    messages = run_checks(tags=[Tags.security, Tags.urls], include_deployment_checks=deploy)
    return [message for message in messages if (message.id or "").startswith("telroi.")]


def words_of(*texts: object) -> str:
    return "\n".join(str(text) for text in texts)


@pytest.mark.parametrize(
    ("backend", "telroi", "own"),
    [
        ("django_telroi.backends.telroi.TelroiBackend", True, False),
        ("django_telroi.backends.console.ConsoleBackend", False, False),
        ("django_telroi.backends.locmem.LocmemBackend", False, False),
        (f"{HERE}.LoggedTelroi", True, False),
        (f"{HERE}.Ringwell", False, True),
        ("nowhere.at.all.Backend", False, False),
        ("django.http.HttpResponse", False, False),
    ],
)
def test_the_settings_say_who_places_the_calls(configure: Configure, backend: str, telroi: bool, own: bool) -> None:
    configure(BACKEND=backend)

    assert (uses_telroi(), is_own_backend()) == (telroi, own)


@pytest.mark.usefixtures("_in_production")
class TestTheSystemChecks:
    """A site in production with another provider, Ringwell."""

    @pytest.mark.codes("telroi")
    def test_do_not_mention_telroi_for_any_settings(self, settings: Any) -> None:
        settings.TELROI = {
            "BACKEND": f"{HERE}.Ringwell",
            "API_KEY": TEST_KEY,
            "BASE_URL": "http://telroi.example/v1",
            "READ_TIMEOUT_SECONDS": 5,
            "TOTAL_TIMEOUT_SECONDS": 9,
            "CODE_TRIES": 5,
            "CODE_LENGTH": 8,
            "CODE_TTL_SECONDS": 900,
            "ALLOW_TEST_KEY": True,
        }
        settings.RATELIMIT_ENABLE = False

        messages = found()

        said = words_of(*(f"{message.msg} {message.hint}" for message in messages)).replace('TELROI["', "")
        assert "telroi" not in said.lower().replace("telroi_purge", "").replace("django-telroi", "")
        assert "000000" not in said
        assert {message.id for message in messages} >= {"telroi.W005", "telroi.W010", "telroi.W015", "telroi.W017"}

    def test_require_no_webhook_secret(self, settings: Any) -> None:
        settings.TELROI = {"BACKEND": f"{HERE}.Ringwell"}
        settings.ROOT_URLCONF = type(
            "urls", (), {"urlpatterns": [path("telroi/", include("django_telroi.webhooks.urls"))]}
        )

        assert "telroi.W008" not in [message.id for message in run_checks(tags=[Tags.urls])]

    @pytest.mark.parametrize("backend", ["LoggedTelroi", "Ringwell"])
    def test_require_a_key_if_calls_go_to_telroi_by_any_class(self, settings: Any, backend: str) -> None:
        settings.TELROI = {"BACKEND": f"{HERE}.{backend}"}

        expected = ["telroi.W002"] if backend == "LoggedTelroi" else []
        assert [message.id for message in found(deploy=False) if message.id == "telroi.W002"] == expected


def said_by(look: Iterator[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.subject, str(finding.level), finding.says) for finding in look]


class TestTheDoctor:
    """The doctor checks the backend that places the calls."""

    def test_says_who_places_calls(self, configure: Configure) -> None:
        configure(BACKEND=f"{HERE}.Ringwell")

        says = f"{HERE}.Ringwell places the calls, and it can be created. No call was placed."
        assert said_by(examine_backend()) == [("backend", "good", says)]

    def test_says_that_no_phone_rings(self, configure: Configure) -> None:
        configure(BACKEND=f"{HERE}.Silent")

        assert said_by(examine_backend()) == [("backend", "note", f"{HERE}.Silent places no calls: no phone rings.")]

    @pytest.mark.parametrize("backend", ["Unfinished", "Crashing", "NotThere"])
    def test_says_that_the_backend_cannot_be_created(self, configure: Configure, backend: str) -> None:
        configure(BACKEND=f"{HERE}.{backend}")

        [finding] = examine_backend()

        assert (finding.level, finding.says) == ("bad", f"{HERE}.{backend} cannot be created, so no calls are placed.")
        assert "CARRIER_TOKEN" not in words_of(finding)

    def test_asks_telroi_if_the_backend_is_a_subclass_of_its_backend(
        self, telroi: Simulator, configure: Configure
    ) -> None:
        configure(BACKEND=f"{HERE}.LoggedTelroi")

        levels = [str(finding.level) for finding in examine_backend()]

        assert levels == ["good", "note", "good", "good"]  # the note names the simulator, which rings no phone

    @pytest.mark.django_db
    def test_does_not_mention_telroi_in_its_report(self, configure: Configure) -> None:
        configure(BACKEND=f"{HERE}.Ringwell", WEBHOOK_SECRETS=["whsec_x"], CODE_TRIES=5)
        out = StringIO()

        try:
            call_command("telroi_doctor", stdout=out)
        finally:
            said = out.getvalue()

        rest = said.replace('TELROI["', "").replace("telroi_purge", "").replace("(telroi.", "(")
        assert "telroi" not in rest.lower()
        assert "webhook" not in said.lower()

    @pytest.mark.django_db
    def test_does_not_refer_to_telroi_for_unknown_calls(
        self, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(BACKEND=f"{HERE}.Ringwell")
        monkeypatch.setattr("django_telroi.management.doctor.rows.FEWEST_TO_JUDGE", 1)
        services.start_verification(NUMBER)
        VerificationAttempt.objects.update(error_code="no_reply")

        cures = [finding.cure for finding in examine_rows()]

        assert "Check the timeouts, and ask your provider." in cures


@pytest.mark.django_db
def test_the_listed_limits_are_the_enforced_ones(configure: Configure) -> None:
    out = StringIO()
    configure(BACKEND=f"{HERE}.Ringwell")

    call_command("telroi_limits", stdout=out)

    assert "KEY_REQUESTS_PER_MINUTE" not in out.getvalue()
    assert "CALLS_PER_HOUR" in out.getvalue()


@pytest.mark.parametrize(("backend", "is_told"), [("LoggedTelroi", True), ("Ringwell", False)])
def test_the_page_mentions_000000_only_if_it_verifies(configure: Configure, backend: str, is_told: bool) -> None:
    configure(BACKEND=f"{HERE}.{backend}", ALLOW_TEST_KEY=True)

    assert ("000000" in card_texts.test_key_note(VerificationAttempt(livemode=False))) is is_told


@pytest.mark.django_db
class TestTheOverview:
    """The overview in the admin."""

    def test_names_the_provider_and_not_telroi(self, configure: Configure) -> None:
        configure(BACKEND=f"{HERE}.Ringwell")
        now = timezone.now()
        pause_calls(
            PauseReason.MISCONFIGURED,
            until=now + timedelta(minutes=1),
            key=KeyInUse("default", digest()),
            using="default",
        )
        for code in ("held", "misconfigured", "unavailable"):
            RefusalTally.objects.create(hour=now.replace(minute=0, second=0, microsecond=0), code=code, count=1)
        for kind in ("misconfigured", "insufficient_funds", "key_limited"):
            AttemptEvent.objects.create(kind=EventKind.ALERT, at=now, detail=kind)
        staff = Client()
        staff.force_login(User.objects.create_superuser("grace"))

        page = staff.get("/admin/django_telroi/phonenumber/overview/").content.decode()

        body = page[page.index('class="telroi-overview"') :]
        assert (body.count("Telroi"), body.count("provider")) == (0, 7)


def texts_in(path: Path) -> list[str]:
    """Return the string literals of a module, without its docstrings, and the text of a template."""
    if path.suffix == ".html":
        return [path.read_text()]
    tree = ast.parse(path.read_text())
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


def test_no_text_of_the_admin_and_of_its_models_names_telroi() -> None:
    package = Path(services.__file__).parents[1]
    paths = [
        *(package / "admin").rglob("*.py"),
        *(package / "models").rglob("*.py"),
        *(package / "templates/admin").rglob("*.html"),
    ]

    named = {(path.name, text) for path in paths for text in texts_in(path) if re.search(r"\bTelroi\b", text)}

    assert len(paths) > 30
    assert named == set()


def digest() -> str:
    from django_telroi.backends import get_backend

    return get_backend().key_digest
