"""No test run ever reaches Telroi by accident, even with a live key in the environment."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from django_telroi import services
from django_telroi.backends import get_backend
from django_telroi.backends.console import ConsoleBackend
from django_telroi.backends.locmem import LocmemBackend, outbox
from django_telroi.backends.telroi import TelroiBackend
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
    monkeypatch.delattr(mail, "outbox")


@pytest.mark.parametrize("debug", [True, False])
def test_a_test_run_keeps_its_calls_in_memory(settings: Any, debug: bool) -> None:
    settings.DEBUG = debug

    assert isinstance(get_backend(), LocmemBackend)


@pytest.mark.django_db
def test_a_whole_verification_in_a_test_run_asks_nobody() -> None:
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
def test_a_test_run_that_names_the_backend_still_cannot_ring(configure: Configure, url: str | None) -> None:
    configure(BACKEND=TELROI_BACKEND, **({} if url is None else {"BASE_URL": url}))

    with pytest.raises(ImproperlyConfigured, match="never calls Telroi"):
        get_backend()


@pytest.mark.django_db
def test_and_its_tests_hear_of_it_loudly(configure: Configure) -> None:
    configure(BACKEND=TELROI_BACKEND)

    with pytest.raises(ImproperlyConfigured):
        services.start_verification(NUMBER)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://127.0.0.1:9"])
def test_a_test_run_may_use_a_simulator(configure: Configure, url: str) -> None:
    configure(BACKEND=TELROI_BACKEND, BASE_URL=url)

    assert isinstance(get_backend(), TelroiBackend)


@pytest.mark.usefixtures("in_production")
class TestInProduction:
    """The key decides."""

    @pytest.mark.parametrize("debug", [True, False])
    def test_a_live_key_rings(self, settings: Any, debug: bool) -> None:
        settings.DEBUG = debug

        assert isinstance(get_backend(), TelroiBackend)

    def test_no_key_under_debug_prints(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
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
    def test_what_cannot_work_says_so_to_the_log_and_to_nobody_else(
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
    def test_a_test_key_is_for_development(
        self, configure: Configure, settings: Any, debug: bool, allowed: bool | None
    ) -> None:
        settings.DEBUG = debug
        configure(API_KEY="tlr_test_0123456789", ALLOW_TEST_KEY=allowed)

        assert isinstance(get_backend(), TelroiBackend)

    def test_a_test_key_can_be_refused_in_development_too(self, configure: Configure, settings: Any) -> None:
        settings.DEBUG = True
        configure(API_KEY="tlr_test_0123456789", ALLOW_TEST_KEY=False)

        with pytest.raises(Misconfigured):
            get_backend()
