"""How the example selects its key and its time zone."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, {}),
        ({"TELROI_API_KEY": ""}, {}),
        (
            {"TELROI_API_KEY": "tlr_live_mine"},
            {"API_KEY": "tlr_live_mine", "BASE_URL": "https://app.telroi.ai", "WEBHOOK_SECRETS": [""]},
        ),
        (
            {
                "TELROI_API_KEY": "tlr_live_mine",
                "TELROI_BASE_URL": "https://telroi.example.com",
                "TELROI_WEBHOOK_SECRETS": "whsec_old,whsec_new",
            },
            {
                "API_KEY": "tlr_live_mine",
                "BASE_URL": "https://telroi.example.com",
                "WEBHOOK_SECRETS": ["whsec_old", "whsec_new"],
            },
        ),
        (
            {
                "EXAMPLE_SIMULATOR_URL": "http://127.0.0.1:8010",
                "EXAMPLE_SIMULATOR_KEY": "tlr_live_its",
                "EXAMPLE_SIMULATOR_SECRET": "whsec_its",
            },
            {"API_KEY": "tlr_live_its", "BASE_URL": "http://127.0.0.1:8010", "WEBHOOK_SECRETS": ["whsec_its"]},
        ),
        (
            {"TELROI_API_KEY": "tlr_live_mine", "EXAMPLE_SIMULATOR_URL": "http://127.0.0.1:8010"},
            {"API_KEY": "tlr_live_mine", "BASE_URL": "https://app.telroi.ai", "WEBHOOK_SECRETS": [""]},
        ),
    ],
)
def test_a_configured_key_precedes_the_simulator(
    environ: dict[str, str], chosen: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXAMPLE_STATE_DIR", str(tmp_path))
    from example.settings import telroi_settings

    assert telroi_settings(environ) == chosen


@pytest.mark.parametrize(
    ("linked", "zone"),
    [
        ("usr/share/zoneinfo/Africa/Lagos", "Africa/Lagos"),
        ("usr/share/zoneinfo/Nowhere/Atall", "UTC"),
        ("etc/own", "UTC"),
    ],
)
def test_the_time_zone_is_that_of_the_machine(
    linked: str, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from example.clock import local_time_zone

    monkeypatch.delenv("TZ", raising=False)
    localtime = tmp_path / "localtime"
    localtime.symlink_to(tmp_path / linked)

    assert local_time_zone(localtime) == zone


def test_the_environment_variable_precedes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from example.clock import local_time_zone

    monkeypatch.setenv("TZ", "Africa/Accra")

    assert local_time_zone() == "Africa/Accra"
