"""The helpers of the package for tests of a site."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from django_telroi import services
from django_telroi.backends.locmem import LocmemCall
from django_telroi.client import TelroiClient
from django_telroi.testing import last_code_for, outbox, running_simulator

ROOT = Path(__file__).parent.parent.parent
NUMBER = "+2348031234567"


@pytest.fixture
def emptied() -> Iterator[None]:
    outbox.clear()
    yield
    outbox.clear()


@pytest.mark.usefixtures("emptied")
def test_the_last_code_for_a_number_is_that_of_its_newest_call() -> None:
    for to, code in ((NUMBER, "111111"), (NUMBER, "222222"), ("+12015550123", "333333")):
        outbox.append(LocmemCall(to=to, code=code, language=None))

    assert last_code_for(NUMBER) == "222222"


@pytest.mark.usefixtures("emptied")
def test_asking_for_an_unknown_code_does_not_show_the_number() -> None:
    with pytest.raises(LookupError, match="None of the 0 calls in the outbox is to this number") as refused:
        last_code_for(NUMBER)

    assert NUMBER not in str(refused.value)


@pytest.mark.usefixtures("emptied")
@pytest.mark.django_db
def test_in_a_test_run_calls_go_to_the_outbox_by_default() -> None:
    attempt = services.start_verification(NUMBER)

    assert services.check_code(attempt.uuid, last_code_for(NUMBER)).outcome == "verified"


def test_the_client_can_use_the_simulator() -> None:
    with running_simulator() as simulator:
        client = TelroiClient(simulator.api_key, base_url=simulator.base_url)

        placed = client.place_otp(NUMBER, language="en")

        (call,) = simulator.calls
        assert (call.id, call.to, call.language) == (placed.id, NUMBER, "en")
        assert client.check_otp(call.code, id=placed.id).verified


def run_a_site_s_tests(
    folder: Path, test: str, *, settings: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text('pytest_plugins = ["django_telroi.testing.fixtures"]\n')
    (folder / "site_settings.py").write_text(f"from tests.settings import *\n{settings}\n")
    (folder / "test_site.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


WALKS = """
import pytest
from django_telroi import services
from django_telroi.testing import last_code_for

pytestmark = pytest.mark.programs

@pytest.mark.django_db
def test_the_fixture_works_in_memory(telroi_outbox):
    attempt = services.start_verification("+2348031234567")
    assert len(telroi_outbox) == 1
    assert services.check_code(attempt.uuid, last_code_for("+2348031234567")).outcome == "verified"

@pytest.mark.django_db(transaction=True)
def test_the_fixture_works_over_http(telroi_simulator):
    attempt = services.start_verification("+2348031234567")
    assert services.check_code(attempt.uuid, telroi_simulator.calls[-1].code).outcome == "verified"
"""


def test_a_site_completes_a_verification_with_either_fixture(tmp_path) -> None:
    done = run_a_site_s_tests(tmp_path, WALKS)

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_a_live_key_in_the_settings_is_refused_without_being_shown(tmp_path) -> None:
    done = run_a_site_s_tests(tmp_path, WALKS, settings='TELROI = {"API_KEY": "tlr_live_realmoney"}')

    assert "2 errors" in done.stdout
    assert "settings.TELROI contains a live key" in done.stdout
    assert "realmoney" not in done.stdout


def test_a_live_key_in_the_environment_is_hidden(tmp_path) -> None:
    sees = "from django_telroi import conf\ndef test_sees_none():\n    assert conf.api_key() == ''\n"

    done = run_a_site_s_tests(tmp_path, sees, TELROI_API_KEY="tlr_live_realmoney")

    assert "1 passed" in done.stdout, done.stdout + done.stderr
