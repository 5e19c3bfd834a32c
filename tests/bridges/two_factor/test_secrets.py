"""No token and no full number in a log, an error report or a column of ours, except the number's own columns."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.views.debug import ExceptionReporter
from two_factor.plugins.phonenumber.models import PhoneDevice

from django_telroi import services
from django_telroi.contrib.two_factor import CallGateway
from django_telroi.simulator import Simulator
from tests.bridges.columns import columns_with
from tests.bridges.two_factor.conftest import NUMBER, Person
from tests.conftest import IS_ENCRYPTED
from tests.secrets.reporting import report

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "246813"


def test_a_login_with_a_refusal_leaves_no_trace_of_the_secrets(
    telroi: Simulator, phone: PhoneDevice, person: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    person.log_in()
    person.log_in()
    with telroi.refusing():
        services.reset_limits(NUMBER, actor="staff")
        person.log_in()
    code = telroi.last_code_for(NUMBER)
    person.send(otp_token=code)

    ours = [record for record in caplog.records if record.name.startswith(("django_telroi", "two_factor", "django."))]
    lines = " ".join(
        f"{record.getMessage()} {record.exc_text}" for record in ours if record.name != "django.db.backends"
    )
    assert ours
    assert [secret for secret in (code, NUMBER, NUMBER[1:], NUMBER[4:]) if secret in lines] == []
    assert columns_with(code) == set()
    in_clear = {("django_telroi_phonenumber", "number")}
    assert columns_with(NUMBER[4:]) == (set() if IS_ENCRYPTED else in_clear)
    assert NUMBER not in person.text


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Django's report of each unhandled exception, and the report of a tool that ignores ``sensitive_variables``."""
    made: list[tuple[str, str]] = []

    def make(request: HttpRequest, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        assert error is not None
        made.append(
            (ExceptionReporter(request, type(error), error, error.__traceback__).get_traceback_html(), report(error))
        )

    got_request_exception.connect(make)
    yield made
    got_request_exception.disconnect(make)


def test_an_error_report_shows_neither_the_token_nor_the_number(
    telroi: Simulator, phone: PhoneDevice, reports: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("two_factor.plugins.phonenumber.models.totp", lambda *args, **kwargs: int(TOKEN))
    monkeypatch.setattr("django_telroi.limits.services.read_out", break_down)

    assert Person(raise_request_exception=False).log_in().status == 500

    ((of_django, of_all_frames),) = reports
    assert "generate_challenge" in of_django
    assert [secret for secret in (TOKEN, NUMBER, NUMBER[4:]) if secret in of_django] == []
    # The ``repr`` of two-factor's device shows its number. So do its own frames with the token.
    in_our_frames = re.sub("<PhoneDevice.*?>", "", "\n".join(re.findall("^.*/django_telroi/.*$", of_all_frames, re.M)))
    assert "token = '•••'" in in_our_frames
    assert [secret for secret in (TOKEN, NUMBER, NUMBER[4:]) if secret in in_our_frames] == []


def test_the_gateway_is_imported_before_the_models_are_loaded() -> None:
    script = "import sys, django_telroi.contrib.two_factor; print('django_telroi.models' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
    assert repr(CallGateway()).startswith("<django_telroi.contrib.two_factor.CallGateway")
