"""With gunicorn's four workers, the counters equal the rows after many mixed calls."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from django_telroi.simulator import Simulator

pytestmark = pytest.mark.programs

REPOSITORY = Path(__file__).parents[2]
CALLS = int(os.environ.get("TELROI_TEST_MEASURED_CALLS", "200"))
FAULTS = (None, None, "close", "login", None, "repeat", None, None, "invalid", None)
AT_MOST_SECONDS = 300


@contextmanager
def served(folder: Path, telroi: Simulator) -> Iterator[str]:
    counters = folder / "counters"
    counters.mkdir()
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, str(REPOSITORY)])),
        "TELROI_TEST_FOLDER": str(folder),
        "TELROI_TEST_KEY": telroi.api_key,
        "TELROI_TEST_URL": telroi.base_url,
    }
    program = [sys.executable, "-m", "tests.telemetry.served_site"]
    subprocess.run(program, cwd=REPOSITORY, env=environ, check=True, timeout=AT_MOST_SECONDS)
    log = folder / "gunicorn.log"
    command = ["gunicorn", "tests.telemetry.served_site:application", "--workers", "4", "--threads", "2"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command, "--bind", "127.0.0.1:0", "--timeout", str(AT_MOST_SECONDS)],
            cwd=REPOSITORY,
            env=environ | {"PROMETHEUS_MULTIPROC_DIR": str(counters)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + AT_MOST_SECONDS
        while log.read_text().count("Booting worker") < 4:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        [port] = re.findall(r"Listening at: http://127\.0\.0\.1:(\d+)", log.read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def samples_of(url: str) -> dict[tuple[str, str], float]:
    """Return the sums of the metrics by name and the first of their labels that tells what happened."""
    sums: dict[tuple[str, str], float] = {}
    text = requests.get(f"{url}/metrics", timeout=AT_MOST_SECONDS).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, sample.labels.get("status", sample.labels.get("code", sample.labels.get("outcome", "")))
            sums[key] = sums.get(key, 0) + sample.value
    return sums


def test_the_counters_equal_the_rows(telroi: Simulator, tmp_path: Path) -> None:
    with served(tmp_path, telroi) as url:

        def play(line: int) -> None:
            number, fault = f"+234803{line:07d}", FAULTS[line % len(FAULTS)]
            if fault == "invalid":
                requests.post(f"{url}/api/phone/verifications/", json={"number": "12"}, timeout=AT_MOST_SECONDS)
                return
            if fault and fault != "repeat":
                telroi.fail_next(fault, to=number)
            start = {"number": number}
            reply = requests.post(f"{url}/api/phone/verifications/", json=start, timeout=AT_MOST_SECONDS).json()
            if fault:  # the same number again: the cooldown applies, unless the call did not ring
                requests.post(f"{url}/api/phone/verifications/", json=start, timeout=AT_MOST_SECONDS)
            if "id" not in reply:  # the call failed
                return
            check = f"{url}/api/phone/verifications/{reply['id']}/check/"
            code = telroi.last_code_for(number)
            wrong = f"{(int(code) + 1) % 10**6:06d}"
            for typed in (wrong, code) if line % 2 else (code, code):
                requests.post(check, json={"code": typed}, timeout=AT_MOST_SECONDS)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(play, range(1, CALLS + 1)))
        measured = samples_of(url)

    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:

        def rows(sql: str) -> int:
            return int(database.execute(f"SELECT COALESCE({sql}").fetchone()[0])

        attempts = "0) FROM django_telroi_verificationattempt WHERE"
        unknown = "error_code IN ('no_reply', 'call_failed', 'lease_ended')"
        ledger = {
            ("telroi_calls_total", "placed"): rows(f"COUNT(*), {attempts} placed_at IS NOT NULL"),
            ("telroi_calls_total", "failed"): rows(f"COUNT(*), {attempts} status = 'failed'"),
            ("telroi_calls_total", "unknown"): rows(f"COUNT(*), {attempts} {unknown}"),
            ("telroi_codes_total", "verified"): rows(f"COUNT(*), {attempts} status = 'verified'"),
            ("telroi_codes_total", "wrong_code"): rows(
                "COUNT(*), 0) FROM django_telroi_attemptevent WHERE kind = 'code_rejected'"
            ),
            ("telroi_verification_duration_seconds_count", ""): rows(f"COUNT(*), {attempts} status = 'verified'"),
        }
        refused = dict(
            database.execute("SELECT code, SUM(count) FROM django_telroi_refusaltally GROUP BY code").fetchall()
        )
        total = rows(f"COUNT(*), {attempts} 1")
    assert {key: measured.get(key, 0) for key in ledger} == ledger
    assert {code: times for (name, code), times in measured.items() if name == "telroi_refusals_total"} == refused
    assert all(ledger.values()) or CALLS < 20
    assert sum(times for (name, _), times in measured.items() if name == "telroi_calls_total") == total
    sends = sum(request.path == "/v1/otp" for request in telroi.requests)
    assert (
        sum(v for (name, _), v in measured.items() if name == "telroi_client_request_duration_seconds_count") >= sends
    )
