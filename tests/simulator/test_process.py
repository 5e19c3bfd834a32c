"""The simulator in its own process, with its settings over HTTP."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any

import pytest

from django_telroi.simulator import command
from django_telroi.simulator.simulator import SWITCHES, Simulator
from tests.simulator.receiver import receiving

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parent.parent.parent
NUMBER = "+2348031234567"
LONG = 120
"""Seconds after which a test hangs, however busy the machine is."""
MODULE = [sys.executable, "-m", "django_telroi.simulator"]
COMMAND = [sys.executable, "-m", "django", "telroi_simulator", "--settings=tests.settings"]

THROWN: Mapping[str, Mapping[str, Any]] = {
    "add_key": {"value": "tlr_live_second", "scopes": ["otp:write"]},
    "advance": {"seconds": 60},
    "carrier": {"outcome": "carrier_silent", "after": 0.1, "to": NUMBER, "times": 1},
    "deliver_webhooks": {"runs": 2},
    "enable_webhook": {},
    "fail_always": {"fault": "server_error", "status": 503},
    "fail_next": {"fault": "hang", "on": "verify", "acts": False},
    "faithful": {},
    "flood_key": {"value": "tlr_live_given"},
    "freeze": {},
    "latency": {"seconds": 0.1},
    "next_otp": {"code": "123456"},
    "own_codes": {"mode": "reject", "status": 422, "to": NUMBER, "times": 1},
    "race": {},
    "refuse": {"seconds": 0},
    "release": {},
    "remove_webhook": {},
    "reset": {},
    "set_webhook": {"url": "http://127.0.0.1:9/", "events": ["otp.failed"], "delay": 60, "every": 30},
    "unsign_webhooks": {"times": None},
    "revoke_key": {"value": "tlr_live_given"},
    "set_list": {"name": "agents", "rows": []},
    "set_policy": {"cooldown": 0},
    "set_wallet": {"balance": 0},
    "start_key_store": {},
    "stop_failing": {},
    "stop_key_store": {},
    "suspend": {},
    "without_quirk": {"quirk": "html_errors"},
}


class Process:
    """A started simulator, and the URLs that it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        printed = [process.stdout.readline().strip() for _ in range(4)]
        self.printed = dict(line.split("=") for line in printed[:3])
        self.base_url = self.printed["TELROI_BASE_URL"]
        self.api_key = self.printed["TELROI_API_KEY"]

    def get(self, path: str, **headers: str) -> Any:
        return self._answer(urllib.request.Request(self.base_url + path, headers=headers))

    def post(self, path: str, fields: Mapping[str, Any]) -> Any:
        headers = {
            "Authorization": f"Bearer {self.api_key}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }
        return self._answer(urllib.request.Request(self.base_url + path, json.dumps(fields).encode(), headers))

    def throw(self, switch: str, **arguments: Any) -> Any:
        answer = self.post(f"/_simulator/{switch}", arguments)
        if switch == "refuse":
            self.wait_until_it_listens()
        return answer

    def wait_until_it_listens(self) -> None:
        """The timer of `refuse` opens the port in another thread, some time after the answer."""
        host, _, port = self.base_url.removeprefix("http://").rpartition(":")
        while self.process.poll() is None:
            with suppress(ConnectionRefusedError), socket.create_connection((host, int(port))):
                return
            time.sleep(0.01)

    def send(self, to: str = NUMBER) -> Any:
        return self.post("/v1/otp", {"to": to, "language": "en"})

    def _answer(self, request: urllib.request.Request) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=LONG) as answer:
            return json.load(answer)


@contextmanager
def running(command: Sequence[str], *arguments: str) -> Iterator[Process]:
    environment = {**os.environ, "PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error::ResourceWarning"}
    with subprocess.Popen(
        [*command, "--port", "0", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Process(process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with running(MODULE) as started:
        yield started


@pytest.fixture
def fresh(process: Process) -> Process:
    process.throw("reset")
    return process


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "management command"])
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_keys_and_stops_cleanly(command, signal_number) -> None:
    with running(command, "--live-key", "tlr_live_given", "--test-key", "tlr_test_given") as started:
        assert (started.printed["TELROI_API_KEY"], started.printed["TELROI_TEST_KEY"]) == (
            "tlr_live_given",
            "tlr_test_given",
        )
        assert started.send()["livemode"] is True

        started.process.send_signal(signal_number)

        _, complaints = started.process.communicate(timeout=LONG)
        assert (started.process.returncode, complaints) == (0, "")


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "management command"])
def test_a_port_in_use_is_a_one_line_error(command, simulator) -> None:
    port = simulator.base_url.rpartition(":")[2]

    done = subprocess.run(
        [*command, "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=LONG, check=False
    )

    assert done.returncode == 1
    assert f"Port {port} is in use. Stop the program that uses it, or choose another port with --port." in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "management command"])
def test_a_ledger_that_cannot_be_opened_is_a_one_line_error(command, tmp_path) -> None:
    done = subprocess.run(
        [*command, "--port", "0", "--ledger", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )

    assert done.returncode == 1
    assert f"The ledger '{tmp_path}' cannot be opened: Is a directory. Check --ledger." in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--live-key", "foo", "'foo' is not a key: tlr_live_ followed by letters and digits."),
        ("--live-key", "tlr_test_given", "'tlr_test_given' is not a key: tlr_live_ followed"),
        ("--live-key", "tlr_live_a-b", "'tlr_live_a-b' is not a key"),
        ("--test-key", "tlr_live_given", "'tlr_live_given' is not a key: tlr_test_ followed"),
        ("--webhook", "foo", "'foo' is not the URL of a webhook, such as http://127.0.0.1:8000/telroi/webhook."),
        ("--webhook", "ftp://127.0.0.1/", "'ftp://127.0.0.1/' is not the URL of a webhook"),
        ("--webhook", "http://[::1", "'http://[::1' is not the URL of a webhook"),
    ],
)
def test_an_invalid_argument_is_a_clear_error(option: str, value: str, says: str) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    errors = io.StringIO()

    with redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        parser.parse_args([option, value])

    assert ended.value.code == 2
    assert says in errors.getvalue()


def test_it_prints_the_settings_that_a_site_needs() -> None:
    with running(MODULE, "--webhook-secret", "whsec_given") as started:
        assert started.process.stdout is not None
        line = started.process.stdout.readline()

    assert line.startswith("# A site reads only TELROI_API_KEY from the environment.")
    needed = json.loads(line.partition("TELROI = ")[2])
    assert needed == {"BASE_URL": started.base_url, "WEBHOOK_SECRETS": ["whsec_given"]}


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_cannot_exist_is_a_one_line_error(port: str) -> None:
    done = subprocess.run(
        [*MODULE, "--port", port], cwd=ROOT, capture_output=True, text=True, timeout=LONG, check=False
    )

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert f"'{port}' is not a port: a number from 0 to 65535." in done.stderr


def test_it_sends_webhooks_to_the_given_url() -> None:
    with (
        receiving() as receiver,
        running(MODULE, "--webhook-secret", "whsec_given", "--webhook", receiver.url) as started,
    ):
        started.send()
        receiver.wait_for(1)
        assert started.get("/_simulator/")["simulator"]["webhook_secret"] == "whsec_given"

    assert [json.loads(body)["event"] for body in receiver.bodies] == ["otp.completed"]


@pytest.mark.parametrize("command", [MODULE, COMMAND], ids=["module", "management command"])
def test_it_can_be_started_as_a_telroi_that_does_not_know_own_codes(command) -> None:
    with running(command, "--own-codes", "ignore") as started:
        sent = started.post("/v1/otp", {"to": NUMBER, "code": "4839"})

        assert "expires_at" in sent
        assert len(started.get("/_simulator/calls")["calls"][0]["code"]) == 6
        started.throw("reset")
        assert started.post("/v1/otp", {"to": NUMBER, "code": "4839"})["verification"] == "client"


def test_the_ledger_on_disk_outlives_the_process(tmp_path) -> None:
    path = tmp_path / "ledger.jsonl"
    with running(MODULE, "--ledger", str(path)) as started:
        started.throw("fail_next", fault="reset")
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            started.send()
        started.process.kill()
        started.process.wait()

    (line,) = path.read_text().splitlines()
    noted = json.loads(line)
    assert (noted["method"], noted["path"], noted["to"]) == ("POST", "/v1/otp", NUMBER)


def test_calls_and_requests_can_be_read(fresh) -> None:
    sent = fresh.send()

    (call,) = fresh.get("/_simulator/calls")["calls"]
    assert (call.pop("id"), call.pop("to"), call.pop("language")) == (sent["id"], NUMBER, "en")
    assert len(call.pop("code")) == 6
    assert call.pop("at").endswith("Z")
    assert call == {}
    (request,) = fresh.get("/_simulator/requests")["requests"]
    assert (request["method"], request["path"], request["to"]) == ("POST", "/v1/otp", NUMBER)
    assert fresh.get("/_simulator/otps")["otps"][0]["id"] == sent["id"]


def test_sent_webhooks_can_be_read(fresh) -> None:
    fresh.throw("set_webhook", url="http://127.0.0.1:9/", delay=60)
    sent = fresh.send()

    (webhook,) = fresh.get("/_simulator/webhooks")["webhooks"]

    assert (webhook["event"], webhook["state"], webhook["attempts"]) == ("otp.completed", "waiting", 0)
    assert json.loads(webhook["body"])["data"]["id"] == sent["id"]
    assert fresh.get("/_simulator/")["simulator"]["webhook_secret"].startswith("whsec_")


def test_it_describes_itself(fresh) -> None:
    about = fresh.get("/_simulator/")["simulator"]

    assert about["base_url"] == fresh.base_url
    assert about["api_key"] == fresh.api_key
    for part in ("switches", "faults", "carriers"):
        assert all(about[part].values()), f"each of {part} says what it does"


@pytest.mark.parametrize("switch", THROWN)
def test_every_setting_can_be_changed_over_http(fresh, switch) -> None:
    fresh.throw("add_key", value="tlr_live_given")

    assert fresh.throw(switch, **THROWN[switch]) == {"done": True}


def test_every_method_of_the_simulator_is_available_over_http() -> None:
    in_python_only = {
        "close",
        "last_code_for",
        "refusing",
        "start",
        "wait_for_requests",
        "wallet",
    }
    methods = {name for name in dir(Simulator) if not name.startswith("_") and callable(getattr(Simulator, name))}

    assert set(SWITCHES) == methods - in_python_only == THROWN.keys()


def test_a_changed_setting_takes_effect_and_can_be_reset(fresh) -> None:
    fresh.throw("fail_always", fault="insufficient_funds", to=NUMBER)
    with pytest.raises(urllib.error.HTTPError) as refused:
        fresh.send()
    refused.value.close()
    assert fresh.send("+15550001111")["status"] == "delivered"

    fresh.throw("stop_failing")

    assert fresh.send()["status"] == "delivered"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("fail_next", {"fault": "typo"}, 400, "'typo' must be one of "),
        ("fail_next", {}, 400, "missing 1 required positional argument"),
        ("advance", {"second": 1}, 400, "unexpected keyword argument"),
        ("revoke_key", {"value": "tlr_live_nobody"}, 400, "tlr_live_nobody"),
        ("advance", [], 400, "must be a JSON object"),
        ("close", {}, 404, "POST is not possible here"),
    ],
)
def test_an_invalid_change_is_refused_with_a_reason(fresh, path, body, status, says) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fresh.post(f"/_simulator/{path}", body)

    with refused.value as answer:
        assert (answer.code, says in json.load(answer)["error"]) == (status, True)


@pytest.mark.parametrize("headers", [{"Origin": "https://example.com"}, {"Host": "rebound.example"}])
def test_web_pages_cannot_change_the_settings(fresh, headers) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        fresh.get("/_simulator/calls", **headers)

    with refused.value as answer:
        assert answer.code == 403


def test_changes_of_settings_are_not_in_the_ledger(fresh) -> None:
    fresh.throw("advance", seconds=1)

    assert fresh.get("/_simulator/requests")["requests"] == []
