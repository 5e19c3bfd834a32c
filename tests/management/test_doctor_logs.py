"""The doctor's own requests log nothing that looks like a fault."""

from __future__ import annotations

import io
import json
import logging
from contextlib import suppress

import pytest
from django.core.management import CommandError, call_command

from django_telroi.simulator import Simulator

pytestmark = pytest.mark.django_db


def test_a_key_without_faults_logs_nothing_and_its_scope_is_found(
    telroi: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "django_telroi")
    output = io.StringIO()

    with suppress(CommandError):  # other findings of this project are bad
        call_command("telroi_doctor", json=True, stdout=output)

    findings = json.loads(output.getvalue())["findings"]
    assert {"scope": "otp:write"} in [finding["figures"] for finding in findings]
    assert [request.path for request in telroi.requests] == ["/v1/numbers", "/v1/otp/verify"]
    assert [record.getMessage() for record in caplog.records if record.name.startswith("django_telroi")] == []
