"""A test run never calls Telroi by accident, even with a live key in the environment."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.locmem import EmailBackend

from django_telroi import conf, services
from django_telroi.backends import Backend, get_backend, spoken_length
from django_telroi.backends.console import ConsoleBackend
from django_telroi.backends.locmem import LocmemBackend, outbox
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.conf import TELROI_BACKEND
from django_telroi.errors import Misconfigured
from tests.calling_site import Configure
from tests.services.world import NUMBER

KEY = "tlr_live_Canary0Key0Canary0Key0Canary"


@pytest.fixture(autouse=True)
def _live_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELROI_API_KEY", KEY)


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's test environment is not set up."""
    monkeypatch.delattr("django.test.utils._TestState.saved_data")


@pytest.mark.parametrize("debug", [True, False])
def test_a_test_run_keeps_its_calls_in_memory(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug

    assert isinstance(get_backend(), LocmemBackend)


@pytest.mark.django_db
def test_a_whole_verification_in_a_test_run_sends_no_request() -> None:
    attempt = services.start_verification(NUMBER)

    result = services.check_code(attempt.uuid, outbox[-1].code)

    assert (len(outbox), attempt.livemode, result.outcome) == (1, None, "verified")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://app.telroi.ai",
        "https://127.0.0.1.example.com",
        "https://localhost.example.com",
        "https://127.0.0.1@example.com",
        "",
    ],
)
def test_a_test_run_with_the_backend_in_its_settings_cannot_ring(configure: Configure, url: str | None) -> None:
    configure(BACKEND=TELROI_BACKEND, **({} if url is None else {"BASE_URL": url}))

    with pytest.raises(ImproperlyConfigured, match="never calls a phone"):
        get_backend()


@pytest.mark.django_db
def test_a_test_that_selects_a_ringing_backend_fails_with_an_error(configure: Configure) -> None:
    configure(BACKEND=TELROI_BACKEND)

    with pytest.raises(ImproperlyConfigured):
        services.start_verification(NUMBER)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://127.0.0.1:9"])
def test_a_test_run_may_use_a_simulator(configure: Configure, url: str) -> None:
    configure(BACKEND=TELROI_BACKEND, BASE_URL=url)

    assert isinstance(get_backend(), TelroiBackend)


class OwnBackend(Backend):
    """A backend of the site for a remote provider."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        return OtpCall(id="RV01", to=to)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        return OtpCheck(verified=False)


class AtAProvider(OwnBackend):
    @classmethod
    def provider_url(cls) -> str:
        return "https://api.example.com"


class AtAnUnsetProvider(OwnBackend):
    @classmethod
    def provider_url(cls) -> str:
        raise KeyError("CARRIER_URL")


class AtADouble(OwnBackend):
    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1:9/v2"


class Silent(OwnBackend):
    rings = False


class NeedsAToken(OwnBackend):
    def __init__(self) -> None:
        raise Misconfigured


def made_by_a_function() -> Backend:
    return OwnBackend()


REAL = [OwnBackend, AtAProvider, AtAnUnsetProvider]


@pytest.fixture
def settings_file(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Configure:
    """Return a function that writes TELROI into the settings module of the project."""

    def write(**keys: Any) -> None:
        settings.TELROI = keys
        monkeypatch.setattr("tests.settings.TELROI", keys, raising=False)

    return write


class TestABackendOfTheSite:
    """It never calls a phone from a test run, with any settings file."""

    @pytest.mark.parametrize("backend", [*REAL, NeedsAToken, TelroiBackend])
    @pytest.mark.django_db
    def test_in_the_settings_file_is_replaced_like_djangos_email_backend(
        self, settings_file: Configure, backend: type[Backend]
    ) -> None:
        settings_file(BACKEND=f"{backend.__module__}.{backend.__name__}")

        attempt = services.start_verification(NUMBER)

        assert (len(outbox), attempt.status) == (1, "placed")
        assert isinstance(get_backend(), LocmemBackend)
        assert spoken_length(6) == LocmemBackend.spoken_length(6)

    @pytest.mark.parametrize("backend", [AtADouble, Silent])
    def test_in_the_settings_file_is_used_if_it_stays_on_this_machine(
        self, settings_file: Configure, backend: type[Backend]
    ) -> None:
        settings_file(BACKEND=f"{__name__}.{backend.__name__}")

        assert type(get_backend()) is backend

    @pytest.mark.parametrize("backend", [*REAL, NeedsAToken])
    def test_selected_by_a_test_is_refused_before_it_is_created(
        self, configure: Configure, backend: type[Backend]
    ) -> None:
        configure(BACKEND=f"{__name__}.{backend.__name__}")

        with pytest.raises(ImproperlyConfigured, match=r"locmem.LocmemBackend.*provider_url"):
            get_backend()

    def test_in_settings_that_a_test_overrides_is_refused(self, settings_file: Configure, settings: Any) -> None:
        settings_file(BACKEND=f"{__name__}.OwnBackend")
        settings.TELROI = {**settings.TELROI, "CODE_LENGTH": 8}

        with pytest.raises(ImproperlyConfigured):
            get_backend()

    def test_returned_by_a_function_is_refused(self, settings_file: Configure) -> None:
        settings_file(BACKEND=f"{__name__}.made_by_a_function")

        with pytest.raises(ImproperlyConfigured):
            get_backend()

    @pytest.mark.parametrize("backend", [AtADouble, Silent])
    def test_selected_by_a_test_is_used_if_it_stays_on_this_machine(
        self, configure: Configure, backend: type[Backend]
    ) -> None:
        configure(BACKEND=f"{__name__}.{backend.__name__}")

        assert type(get_backend()) is backend

    @pytest.mark.parametrize("backend", REAL)
    @pytest.mark.usefixtures("in_production")
    def test_rings_in_production(self, configure: Configure, backend: type[Backend]) -> None:
        configure(BACKEND=f"{__name__}.{backend.__name__}")

        assert type(get_backend()) is backend


@pytest.mark.usefixtures("in_production")
class TestInProduction:
    """In production, the key decides."""

    @pytest.mark.parametrize("debug", [True, False])
    def test_a_live_key_rings(self, settings: Any, debug: bool) -> None:
        settings.DEBUG = debug

        assert isinstance(get_backend(), TelroiBackend)

    def test_no_key_under_debug_selects_the_console_backend(
        self, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("TELROI_API_KEY")
        settings.DEBUG = True

        assert isinstance(get_backend(), ConsoleBackend)

    @pytest.mark.parametrize(
        ("keys", "reason"),
        [
            ({}, "no_key"),
            ({"API_KEY": "tlr_test_0123456789"}, "test_key_not_allowed"),
            ({"API_KEY": "tlr_live_x", "BASE_URL": "http://telroi.example"}, "client_settings"),
            ({"API_KEY": "tlr_live_x", "BASE_URL": ""}, "client_settings"),
            ({"API_KEY": "tlr_live_x\n"}, "client_settings"),
            ({"API_KEY": "tlr_live_x", "PROXY_URL": "socks5://proxy:1"}, "client_settings"),
            ({"BACKEND": "nobody.Knows"}, "backend_not_importable"),
            ({"BACKEND": "nonsense"}, "backend_not_importable"),
            ({"BACKEND": "django_telroi.backends.telroi.Missing"}, "backend_not_importable"),
        ],
    )
    def test_the_reason_of_a_misconfiguration_is_only_logged(
        self,
        configure: Configure,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        keys: dict[str, str],
        reason: str,
    ) -> None:
        monkeypatch.delenv("TELROI_API_KEY")
        configure(**keys)

        with caplog.at_level(logging.DEBUG), pytest.raises(Misconfigured) as refused:
            get_backend()

        assert caplog.messages == [f"misconfigured reason={reason}"]
        assert refused.value.retry_after is None
        assert str(refused.value) == "The site's settings or its API key do not allow calls (misconfigured)."

    @pytest.mark.parametrize(("debug", "allowed"), [(True, None), (False, True)])
    def test_a_test_key_is_allowed_only_in_development(
        self, configure: Configure, settings: Any, debug: bool, allowed: bool | None
    ) -> None:
        settings.DEBUG = debug
        configure(API_KEY="tlr_test_0123456789", ALLOW_TEST_KEY=allowed)

        assert isinstance(get_backend(), TelroiBackend)

    def test_a_test_key_can_be_rejected_in_development_too(self, configure: Configure, settings: Any) -> None:
        settings.DEBUG = True
        configure(API_KEY="tlr_test_0123456789", ALLOW_TEST_KEY=False)

        with pytest.raises(Misconfigured):
            get_backend()


def test_an_outbox_of_e_mails_is_no_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The e-mail backend ``locmem`` creates one in any process: a preview of mails, a demo, a worker."""
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    EmailBackend()

    assert hasattr(mail, "outbox")
    assert not conf.is_test_run()
