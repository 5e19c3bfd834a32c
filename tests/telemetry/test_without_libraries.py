"""Without OpenTelemetry and Prometheus the site works, and a site that names them is told by a check."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from django_telroi.checks import check_settings
from tests.telemetry.verified_number import VERIFY_A_NUMBER

REPOSITORY = Path(__file__).parents[2]
SITE = """
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("opentelemetry", "prometheus_client"):
            raise ModuleNotFoundError(name=name.partition(".")[0])
sys.meta_path.insert(0, Blocked())
"""
SITE += VERIFY_A_NUMBER
SITE += """
call_command("telroi_metrics")
print(sorted(name for name in sys.modules if name.startswith("django_telroi.telemetry.")))
"""


@pytest.mark.parametrize("telemetry", [[], ["opentelemetry", "prometheus"]])
def test_a_verification_works_without_the_libraries(telemetry: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SITE, json.dumps(telemetry)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    first, *_, loaded = done.stdout.splitlines()
    assert first == "verified"
    assert "telroi_queue_depth 0" in done.stdout
    assert ("django_telroi.telemetry.connecting" in loaded) is bool(telemetry)
    assert done.stderr.count("telemetry_off") == len(telemetry)
    assert all(f"telemetry_off library={name} error=ModuleNotFoundError" in done.stderr for name in telemetry)


def test_a_check_names_the_library_that_is_missing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TELROI = {"TELEMETRY": ["prometheus", "opentelemetry"]}
    found = [message for message in check_settings(None) if message.id == "telroi.W040"]
    monkeypatch.setattr("django_telroi.checks.missing_packages.find_spec", lambda name: None)
    missing = [message for message in check_settings(None) if message.id == "telroi.W040"]

    assert found == []
    assert ["prometheus_client" in missing[0].msg, "django-telroi[telemetry]" in str(missing[1].hint)] == [True, True]
