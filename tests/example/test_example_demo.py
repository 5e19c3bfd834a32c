"""``make demo`` in its own process, on real sockets."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.example.running import running_demo

pytestmark = pytest.mark.programs

HANGS = 120
"""Seconds after which a test hangs, however busy the machine is."""


def open_page(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=HANGS) as reply:
        return str(reply.read().decode())


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests, because a demo usually finds the database of an earlier run."""
    return tmp_path_factory.mktemp("demo")


def test_one_command_starts_the_site_with_history_and_simulator(state: Path) -> None:
    with running_demo(state) as demo:
        assert "calls of 30 days" in demo.told
        assert "sign in as staff, password demo" in demo.told
        pages = [line for line in demo.told.splitlines() if "http://" in line[:30]]
        assert (len(pages), len({line.rindex("  ") for line in pages})) == (6, 1)
        assert "api/docs/ the same flow as JSON" in " ".join(demo.told.split())
        assert "The API" in open_page(demo.home + "api/docs/")
        assert ">API</a>" in open_page(demo.home)
        assert demo.simulator
        assert 'id="handset"' in open_page(demo.home)
        assert "telroi-card" in open_page(demo.home + "phone/")
        assert "Log in" in open_page(demo.home + "admin/")
        assert "AudioContext" in open_page(demo.home + "static/example/ringer.js")


def test_a_webhook_arrives_and_is_recorded(state: Path) -> None:
    with running_demo(state) as demo:
        place_a_call(demo.home)

        reported = wait_for_report(demo.simulator)

    assert (reported["event"], reported["state"], reported["status"]) == ("otp.completed", "delivered", 200)
    with closing(sqlite3.connect(state / "db.sqlite3")) as database:
        told = database.execute(
            "SELECT e.detail, a.telroi_id FROM django_telroi_attemptevent e"
            " JOIN django_telroi_verificationattempt a ON a.id = e.attempt_id WHERE e.kind = 'webhook'"
        ).fetchall()
    assert told == [("otp.completed", json.loads(reported["body"])["data"]["id"])]


def place_a_call(home: str) -> None:
    started = urllib.request.Request(
        home + "api/phone/verifications/",
        json.dumps({"number": "+2348031234567"}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(started, timeout=HANGS).close()


def wait_for_report(simulator: str) -> dict[str, Any]:
    ends = time.monotonic() + HANGS
    while True:
        reported = json.loads(open_page(simulator + "/_simulator/webhooks"))["webhooks"]
        if (reported and reported[0]["state"] != "waiting") or time.monotonic() > ends:
            break
        time.sleep(0.05)
    [webhook] = reported
    return dict(webhook)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything_without_a_traceback(state: Path, ending: signal.Signals) -> None:
    with running_demo(state) as demo:
        demo.process.send_signal(ending)
        rest, _ = demo.process.communicate(timeout=HANGS)

    assert (demo.process.returncode, rest.strip()) == (0, "The demo has ended.")
    # Check the process group, which was its own. Its ports may belong to the server of another test by now.
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.process.pid, 0)


def test_a_second_start_keeps_the_database(state: Path) -> None:
    with running_demo(state):
        pass

    with running_demo(state) as demo:
        assert "The history exists already." in demo.told


def test_two_demos_at_once_use_different_ports(state: Path, tmp_path: Path) -> None:
    with running_demo(state) as first, running_demo(tmp_path) as second:
        assert first.home != second.home
        assert "Does this phone answer?" in open_page(second.home)


def test_with_a_key_the_site_uses_telroi_and_no_simulator(state: Path) -> None:
    with running_demo(state, TELROI_API_KEY="tlr_live_mine") as demo:
        assert "simulator" not in demo.told
        assert "Your real phone rings" in open_page(demo.home)
