"""The system checks, and the lines that the docs ask a site to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings as site_settings
from django.core.checks import Tags, run_checks

from tests.calling_site import Configure
from tests.project.stock_project import BLOCK

PAGE = Path(__file__).parents[3] / "docs" / "integrations" / "allauth.rst"


def ids() -> list[str]:
    return [
        message.id or ""
        for message in run_checks(tags=[Tags.security])
        if (message.id or "").startswith("telroi_allauth")
    ]


def test_the_lines_of_the_docs_pass_the_checks() -> None:
    assert ids() == []


def test_a_site_needs_no_urls_of_ours(settings: Any) -> None:
    settings.ROOT_URLCONF = "allauth.urls"
    assert "telroi.W007" not in [message.id for message in run_checks(tags=[Tags.urls])]


def test_an_adapter_without_the_mixin(settings: Any) -> None:
    settings.ACCOUNT_ADAPTER = "allauth.account.adapter.DefaultAccountAdapter"
    assert ids() == ["telroi_allauth.E001"]


def test_a_purpose_without_records(configure: Configure) -> None:
    configure(PURPOSES=[""], PURPOSES_WITHOUT_RECORD=[""])
    assert ids() == ["telroi_allauth.E002"]


def test_numbers_that_stay_unverified(settings: Any) -> None:
    settings.ACCOUNT_PHONE_VERIFICATION_ENABLED = False
    assert ids() == ["telroi_allauth.E003"]


def test_codes_in_cookies_that_the_browser_can_read(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    assert ids() == ["telroi_allauth.E004"]


def test_a_site_writes_five_lines() -> None:
    (block, *_) = [match["body"] for match in BLOCK.finditer(PAGE.read_text()) if match["kind"] == "python"]
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    assert len(lines) <= 5
    names: dict[str, Any] = {"INSTALLED_APPS": []}
    exec("\n".join(lines), names)
    assert set(names["INSTALLED_APPS"]) <= set(site_settings.INSTALLED_APPS)
    for name in [name for name in names if name.startswith("ACCOUNT_")]:
        assert getattr(site_settings, name) == names[name], name
