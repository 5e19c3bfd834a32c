"""The simulator answers as Telroi did in each recording, except those of webhooks.

Each recording starts with an empty simulator and a stopped clock. ``GIVEN`` maps the state that a recording names to
public settings of the simulator. ``UNSAID`` does so if only the name of the recording contains the state. Then the
recorded request is sent byte by byte. In the answer only ids and times are masked, waits are not.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_telroi.simulator import Simulator

RECORDINGS = [
    Path(__file__).parent.parent / "recordings" / name for name in ("telroi-exchanges.json", "telroi-wire-2.json")
]
LONG = 120
"""Seconds after which a test hangs, however busy the machine is."""
LIVE_KEY, TEST_KEY = "tlr_live_xxx", "tlr_test_xxx"
KEY = re.compile(r"tlr_(?:live|test)_\w+")
COMPARED_HEADERS = ("content-type", "location", "cache-control", "access-control-allow-origin", "x-powered-by")
MASKS = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"(?:otp|call|tts|stt)_test_[0-9a-z]+"), "<test id>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<moment>"),
)


@dataclass(frozen=True)
class Reply:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True)
class Recording:
    name: str
    given: str | None
    method: str
    path: str
    headers: Mapping[str, str]
    body: str | None
    reply: Reply
    is_cut: bool

    @property
    def key(self) -> str:
        found = KEY.search(" ".join(self.headers.values()))
        return found.group() if found else ""

    @property
    def workspace(self) -> str:
        """Return ``live`` if the recording is of a workspace that dials, else ``sandbox``."""
        return "live" if re.search(r"live_workspace|live_live|live_test", self.name) else "sandbox"

    def asked(self, field: str) -> Any:
        return json.loads(self.body or "{}").get(field)


class Stage:
    """The simulator for a recording, and the steps that prepare it."""

    def __init__(self, simulator: Simulator, recording: Recording) -> None:
        self.simulator = simulator
        self.recording = recording
        self.workspace = recording.workspace
        simulator.add_key(LIVE_KEY, workspace=self.workspace)
        simulator.add_key(TEST_KEY, workspace=self.workspace)

    def exchange(self, method: str, path: str, headers: Mapping[str, str], body: str | None) -> Reply:
        host = urlsplit(self.simulator.base_url)
        with closing(http.client.HTTPConnection(str(host.hostname), host.port, timeout=LONG)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            data = None if body is None else body.encode()
            length = {} if data is None else {"Content-Length": str(len(data))}
            for name, value in {"Host": "127.0.0.1:3000", **length, **headers}.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            headers_back = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, answer.reason, headers_back, answer.read().decode())

    def play(self) -> Reply:
        """Send the request as it was recorded."""
        recording = self.recording
        return self.exchange(recording.method, recording.path, recording.headers, recording.body)

    def post(self, path: str, key: str, fields: Mapping[str, Any]) -> Reply:
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", "Content-Type": "application/json"}
        return self.exchange("POST", path, headers, json.dumps(fields))

    def send(
        self, to: str | None = None, *, code: str | None = None, own_code: str | None = None, key: str = LIVE_KEY
    ) -> Reply:
        """Send to the recording's number or to another one. The id is the recorded one, the code is set."""
        if key != TEST_KEY:
            self.simulator.next_otp(code=code, id=self._recorded_id)
        own = {} if own_code is None else {"code": own_code}
        return self.post("/v1/otp", key, {"to": to or self.recording.asked("to") or "+2348020099999", **own})

    @property
    def _recorded_id(self) -> str | None:
        """Set the id of the first send. A second one gets another id."""
        return None if self.simulator.otps else self.recording.asked("id")

    def send_right(self) -> Reply:
        """Send with the code that the recording tries."""
        return self.send(code=self.recording.asked("code"))

    def guess(self, *codes: str) -> None:
        target = {name: self.recording.asked(name) for name in ("id", "to") if self.recording.asked(name)}
        for code in codes:
            self.post("/v1/otp/verify", LIVE_KEY, {**target, "code": code})


SetUp = Callable[[Stage], object]
WRONG = "987123"


def steps(*each: SetUp) -> SetUp:
    return lambda stage: [step(stage) for step in each]


def throw(switch: str, *values: Any, **options: Any) -> SetUp:
    return lambda stage: getattr(stage.simulator, switch)(*values, **options)


def policy(**figures: Any) -> SetUp:
    return lambda stage: stage.simulator.set_policy(workspace=stage.workspace, **figures)


def send(*values: Any, **options: Any) -> SetUp:
    return lambda stage: stage.send(*values, **options)


def guess(*codes: str) -> SetUp:
    return lambda stage: stage.guess(*codes)


def guess_right(stage: Stage) -> None:
    stage.guess(stage.recording.asked("code"))


def send_unseen(stage: Stage) -> None:
    """Send, and lose the answer."""
    stage.simulator.fail_next("close")
    with suppress(http.client.RemoteDisconnected):
        stage.send_right()


def send_elsewhere(stage: Stage) -> None:
    """Send with the key of another workspace."""
    stage.send(code=stage.recording.asked("code"), key=stage.simulator.api_key)


def dial(stage: Stage) -> None:
    """Use a workspace that dials, because in sandbox mode no call fails."""
    stage.simulator.add_key(LIVE_KEY, workspace="live")


send_right: SetUp = Stage.send_right
no_carrier = throw("carrier", "no_carrier")
three_wrong = guess(WRONG, WRONG, WRONG)
five_sends = steps(*[step for _ in range(5) for step in (send(), throw("advance", 300))])

GIVEN: Mapping[str, SetUp] = {
    "fresh code, policy of 3 attempts": steps(policy(tries=3), send(code="515311")),
    "one wrong code before": steps(send(code="515311"), guess(WRONG)),
    "three wrong codes before": steps(send(code="515311"), three_wrong),
    "three wrong codes before; this is the right code": steps(send_right, three_wrong),
    "right code": send_right,
    "wrong code": send(code="773517"),
    "already verified": steps(send_right, guess_right),
    "already verified; a WRONG code sent now": steps(send(code="236817"), guess("236817")),
    "same number with a space in it; right code": send("+2348020000003", code="773517"),
    "right id and code, `to` is an unrelated number": lambda stage: stage.send(
        "+2348020000004", code=stage.recording.asked("code")
    ),
    "right code with a trailing space": send(code="468894"),
    "right code with a dash in the middle; one failed attempt before": steps(send(code="468894"), guess("468894 ")),
    "right code after two malformed spellings of it": steps(send_right, guess("468894 ", "468-894")),
    "expired": steps(send(code="480697"), throw("advance", 301)),
    "locked by three wrong codes, then expired; right code": steps(send_right, three_wrong, throw("advance", 301)),
    "id and right code of an OTP that belongs to another workspace": send_elsewhere,
    "live OTP, verified with a TEST key and the right code": send_right,
    "live OTP, verified with a TEST key and 000000: answers verified": send(code="095888"),
    "OTP was sent with own code; right code": lambda stage: stage.send(own_code=stage.recording.asked("code")),
    "OTP was sent with own code; wrong code": send(own_code="483920"),
    "61 s after the first send": steps(send(), throw("advance", 61)),
    "two sends over a minute apart; first code, by number": steps(
        send_right, throw("advance", 61), send(code="716969")
    ),
    "two sends; second code by number (a failed guess before)": steps(
        send(code="225135"), throw("advance", 61), send_right, guess("225135")
    ),
    "right after a send to the same number": send(),
    "right after a send; same number with a trailing space": send("+2348020000023"),
    "the previous code was verified": steps(send(code="123456"), guess("123456")),
    "five sends in the last 25 minutes, newest 5 minutes ago (policy 5 per hour)": steps(
        policy(per_hour=5), five_sends
    ),
    "five FAILED sends in the last 25 minutes": steps(dial, no_carrier, five_sends),
    "55.2 s after the previous send": steps(send(), throw("advance", 55.2)),
    "sixth send to the number within a second": steps(*[send(key=TEST_KEY)] * 5),
    "funded wallet, no carrier configured": steps(throw("set_wallet", 1000), no_carrier),
    "right after a 502 for the same number": steps(no_carrier, send()),
    "the send answered 502; right code": steps(no_carrier, send_right),
    "empty wallet": throw("set_wallet", 0),
    "empty wallet, immediate retry: no cooldown": steps(throw("set_wallet", 0), send()),
    "workspace suspended for an unpaid invoice": throw("suspend"),
    "workspace has its own cooldown of 5 s": steps(policy(cooldown=5), send()),
    "key has made more than 600 requests this minute": steps(
        throw("add_key", "tlr_test_xxx_flooded"), throw("flood_key", "tlr_test_xxx_flooded"), throw("advance", 4)
    ),
    "carrier stand-in accepted the call": throw("carrier", "accepts"),
    "carrier stand-in accepted; billed": throw("carrier", "accepts"),
    "carrier stand-in answered 500": throw("carrier", "gateway_500"),
    "carrier stand-in refused with its own text": throw("carrier", "carrier_refuses", message="Trunk is congested"),
    "carrier stand-in did not answer; took 15.05 s": throw("carrier", "carrier_silent", after=0.05),
    "outside vendor refused the connection": throw("carrier", "vendor_unreachable"),
    "right after that 500": steps(throw("carrier", "vendor_unreachable"), send()),
    "outside vendor chosen without credentials": throw("carrier", "vendor_not_configured"),
    "client never saw the id of that send; verified by number": send_unseen,
    "server's database stopped": throw("stop_key_store"),
    "a first code was delivered 61 s ago; carrier now gone": steps(send(), throw("advance", 61), no_carrier),
    "first (delivered) code, by number, after the failed resend": steps(
        send_right, throw("advance", 61), no_carrier, send(code="111222")
    ),
    "Telroi's code first, own code 61 s later; first code by number": steps(
        send_right, throw("advance", 61), send(own_code="483920")
    ),
    "operator policy set to 8 digits, 120 s, 5 attempts": policy(code_length=8, code_ttl=120, tries=5),
    "operator policy of 5 attempts, first wrong code": steps(policy(tries=5, code_length=8), send(code="12345678")),
}
AGENT = {
    "id": "11111111-2222-4333-8444-555555555555",
    "name": "Front desk",
    "language": "en-NG",
    "tier": "byok",
    "greeting": "Hello",
    "createdAt": "2026-11-23T16:33:17.166Z",
}
VAN = {
    "id": "11111111-2222-4333-8444-666666666666",
    "tenantId": "11111111-2222-4333-8444-777777777777",
    "name": "Line",
    "telnum": "+2348000010001",
    "provider": "telroi",
    "agentId": AGENT["id"],
    "languages": ["en"],
    "escalateMode": "none",
    "escalateTo": None,
    "escalateAfter": 0,
    "crmWriteback": True,
    "status": "live",
    "createdAt": "2026-11-23T16:33:17.214Z",
}


def furnish(stage: Stage) -> None:
    stage.simulator.set_list("agents", [AGENT], workspace=stage.workspace)
    stage.simulator.set_list("vans", [VAN], workspace=stage.workspace)


UNSAID: Mapping[str, SetUp] = {
    "auth.scope_otp_write_only": throw("add_key", LIVE_KEY, workspace="sandbox", scopes=["otp:write"]),
    "auth.revoked_live": steps(throw("add_key", "tlr_live_xxx_revoked"), throw("revoke_key", "tlr_live_xxx_revoked")),
    "auth.verify.revoked": steps(throw("add_key", "tlr_test_xxx_revoked"), throw("revoke_key", "tlr_test_xxx_revoked")),
    "auth.lacks_scope_test": throw("add_key", "tlr_test_xxx_noscope", scopes=[]),
    "auth.lacks_scope_live": throw("add_key", "tlr_live_xxx_noscope", scopes=[]),
    "auth.lacks_scope_and_bad_body": throw("add_key", "tlr_test_xxx_noscope", scopes=[]),
    "auth.verify.lacks_scope": throw("add_key", "tlr_test_xxx_noscope", scopes=[]),
    "negotiation.html_403": throw("add_key", "tlr_test_xxx_noscope", scopes=[]),
    "negotiation.html_429": send(),
    "otp.verify.live.four_digit_code": send_right,
    "otp.verify.live_workspace.placed_ng_verified": send_right,
    "otp.send.live_workspace.otp_failed_intl": no_carrier,
    "otp.send.live_workspace.otp_failed_own_code": no_carrier,
    "agents.knowledge": furnish,
    "speech.tts.lacks_scope": throw("add_key", "tlr_live_xxx_noscope", scopes=[]),
    "calls.list.with_data.sbx_test": furnish,
    "agents.list.with_data.sbx_test": furnish,
    "vans.list.with_data.sbx_test": furnish,
    "calls.list.with_data.live_live": furnish,
    "agents.list.with_data.live_live": furnish,
    "vans.list.with_data.live_live": furnish,
}


def recorded() -> list[Recording]:
    exchanges = [each for path in RECORDINGS for each in json.loads(path.read_text())]
    return [_recording(each) for each in exchanges if not each["name"].startswith("webhook.")]


def _recording(exchange: Mapping[str, Any]) -> Recording:
    asked, answered = exchange["request"], exchange["response"]
    headers = {name.lower(): value for name, value in answered["headers"].items()}
    return Recording(
        name=exchange["name"],
        given=exchange.get("given"),
        method=asked["method"],
        path=asked["path"],
        headers=asked["headers"],
        body=_whole(asked["body"]),
        reply=Reply(answered["status"], answered["reason"], headers, answered["body"]),
        is_cut=answered.get("cut", False),
    )


def _whole(body: str | None) -> str | None:
    """Return the recorded body. The body of 2 MB was recorded shortened, and is filled up with the same letter."""
    cut = re.fullmatch(r"(.*y)…\((\d+) bytes\)", body or "")
    return cut.group(1).ljust(int(cut.group(2)) - 2, "y") + '"}' if cut else body


RECORDED = recorded()


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset()
    running.freeze()
    return running


def masked(text: str) -> str:
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text


def lifetime(reply: Reply) -> float | None:
    """Return the seconds from the answer to the code's expiry, if it is given. The date has whole seconds only."""
    found = re.search(r'"expires_at":"([^"]+)"', reply.body)
    if not found:
        return None
    return (datetime.fromisoformat(found.group(1)) - parsedate_to_datetime(reply.headers["date"])).total_seconds()


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording.name)
def test_it_answers_as_recorded(simulator: Simulator, recording: Recording) -> None:
    stage = Stage(simulator, recording)
    if recording.given is not None:
        GIVEN[recording.given](stage)
    elif recording.name in UNSAID:
        UNSAID[recording.name](stage)

    reply = stage.play()

    expected = recording.reply
    assert (reply.status, reply.reason) == (expected.status, expected.reason)
    assert [reply.headers.get(name) for name in COMPARED_HEADERS] == [
        expected.headers.get(name) for name in COMPARED_HEADERS
    ]
    body = reply.body[: len(expected.body)] if recording.is_cut else reply.body
    assert masked(body) == masked(expected.body)
    assert lifetime(reply) == (None if lifetime(expected) is None else pytest.approx(lifetime(expected), abs=2))


def test_every_recording_is_replayed_and_every_setup_is_used() -> None:
    assert len(RECORDED) == 222 + 23
    assert {each.given for each in RECORDED} - {None} == GIVEN.keys()
    assert UNSAID.keys() <= {each.name for each in RECORDED if each.given is None}


ERROR_HEADERS = {
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "script-src 'none'; frame-ancestors 'none';",
}
OTHER_HEADERS = {"referrer-policy": "strict-origin-when-cross-origin", "x-frame-options": "SAMEORIGIN"}


@pytest.mark.parametrize(
    "recording", [each for each in RECORDED if each.reply.status >= 400][::9], ids=lambda it: it.name
)
def test_an_error_has_its_own_headers(simulator: Simulator, recording: Recording) -> None:
    simulator.fail_always("service_unavailable")

    headers = Stage(simulator, recording).play().headers

    assert {name: headers.get(name) for name in ERROR_HEADERS} == ERROR_HEADERS


def test_other_answers_have_the_headers_of_the_site(simulator: Simulator) -> None:
    stage = Stage(simulator, RECORDED[0])

    for path in ("/v1", "/nowhere"):
        headers = stage.exchange("GET", path, {"Accept": "application/json"}, None).headers

        assert {name: headers.get(name) for name in ERROR_HEADERS} == OTHER_HEADERS | {"content-security-policy": None}
