"""The outcome of a call for each answer of Telroi, on a real socket."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_telroi import services
from django_telroi.backends.locmem import LocmemBackend
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.models import AttemptEvent, CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services.calls import place
from django_telroi.services.calls.queue import place_call
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, let_time_pass, moments, sends

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Becomes:
    """The effect of an answer on an attempt. ``hold`` and ``pause`` are in seconds."""

    status: str
    error_code: str = ""
    counts: bool = False
    hold: int = 0
    pause: int = 0
    pause_reason: str = ""
    alerts: list[str] = field(default_factory=list)


HUGE_DATE = "Mon, 23 Nov 99999999999999999999 16:25:03 GMT"
PLACED = Becomes("placed", counts=True)
INVALID = Becomes("failed", "invalid")
TWICE = ("invalid", "malformed", "not_verifiable")
"""A request with a code that gets one of these answers is sent once more without the code."""
BAD_KEY = Becomes("failed", "misconfigured", pause=60, pause_reason="misconfigured", alerts=["misconfigured"])
BAD_ADDRESS = Becomes("failed", "misconfigured", alerts=["misconfigured"])
LATER = Becomes("failed", "unavailable")
CALL_FAILED = Becomes("unknown", "call_failed", counts=True)
NO_REPLY = Becomes("unknown", "no_reply", counts=True)

ANSWERS: list[tuple[str, dict[str, Any], Becomes]] = [
    # A success, in unusual transfer formats.
    ("chunked", {}, PLACED),
    ("without_length", {}, PLACED),
    ("early_hints", {}, PLACED),
    ("slow", {"seconds": 0.1}, PLACED),
    ("no_livemode", {}, PLACED),
    ("status_failed", {}, PLACED),
    # Telroi certainly placed no call.
    ("invalid", {}, INVALID),
    ("malformed", {}, INVALID),
    ("not_verifiable", {}, INVALID),
    ("unauthorized", {}, BAD_KEY),
    ("answer", {"status": 401, "headers": {"Retry-After": HUGE_DATE}}, BAD_KEY),
    (
        "answer",
        {"status": 401, "headers": {"Retry-After": "Mon, 23 Nov 2026 16:25:03 GMT", "Date": HUGE_DATE}},
        BAD_KEY,
    ),
    ("forbidden", {}, BAD_KEY),
    ("not_found", {}, BAD_ADDRESS),
    ("method_not_allowed", {}, BAD_ADDRESS),
    ("login", {}, BAD_ADDRESS),
    ("rate_limited", {"wait": 42}, Becomes("failed", "rate_limited", hold=42)),
    ("rate_limited", {"wait": 86399}, Becomes("failed", "rate_limited", hold=86399)),
    ("rate_limited", {"wait": 86400}, Becomes("failed", "rate_limited", hold=60)),
    ("rate_limited", {"wait": 3600}, Becomes("failed", "rate_limited", hold=60)),
    ("rate_limited", {"wait": 99999}, Becomes("failed", "rate_limited", hold=60)),
    ("rate_limited", {"wait": "a while"}, Becomes("failed", "rate_limited", hold=60)),
    ("rate_limited", {"message": "Slow down."}, Becomes("failed", "rate_limited", hold=60)),
    (
        "key_limited",
        {"wait": 56},
        Becomes("failed", "unavailable", pause=56, pause_reason="key_limited", alerts=["key_limited"]),
    ),
    (
        "answer",
        {"status": 429, "headers": {"Retry-After": "86400"}},
        Becomes("failed", "unavailable", pause=600, pause_reason="key_limited", alerts=["key_limited"]),
    ),
    ("service_unavailable", {}, LATER),
    ("insufficient_funds", {}, Becomes("failed", "insufficient_funds", alerts=["insufficient_funds"])),
    # Telroi's carrier failed.
    ("otp_failed", {}, CALL_FAILED),
    ("gateway_500", {"rings": True}, CALL_FAILED),
    ("vendor_unreachable", {}, CALL_FAILED),
    ("server_error", {"status": 500}, CALL_FAILED),
    ("server_error", {"status": 503}, CALL_FAILED),
    ("server_error", {"status": 504}, CALL_FAILED),
    ("proxy_page", {"status": 502}, CALL_FAILED),
    ("proxy_page", {"status": 503}, CALL_FAILED),
    # The outcome is unknown.
    ("reset_unread", {}, NO_REPLY),
    ("reset", {}, NO_REPLY),
    ("close", {}, NO_REPLY),
    ("cut_headers", {}, NO_REPLY),
    ("cut_body", {}, NO_REPLY),
    ("reset_body", {}, NO_REPLY),
    ("not_http", {}, NO_REPLY),
    ("endless_headers", {}, NO_REPLY),
    ("huge_header", {}, NO_REPLY),
    ("huge_body", {}, NO_REPLY),
    ("gzip", {}, NO_REPLY),
    ("login_page", {}, NO_REPLY),
    ("redirect", {"status": 301}, NO_REPLY),
    ("redirect", {"status": 307}, NO_REPLY),
    ("empty_body", {}, NO_REPLY),
    ("not_json", {}, NO_REPLY),
    ("not_utf8", {}, NO_REPLY),
    ("json_null", {}, NO_REPLY),
    ("json_list", {}, NO_REPLY),
    ("json_object", {}, NO_REPLY),
    ("json_deep", {}, NO_REPLY),
    ("json_nan", {}, NO_REPLY),
    ("json_cut", {}, NO_REPLY),
    ("json_bom", {}, NO_REPLY),
    ("no_id", {}, NO_REPLY),
    ("null_id", {}, NO_REPLY),
    ("empty_id", {}, NO_REPLY),
    ("number_id", {}, NO_REPLY),
    ("other_to", {}, NO_REPLY),
]
SILENCES: list[tuple[str, dict[str, Any]]] = [
    ("hang", {}),
    ("drip_headers", {"every": 0.05}),
    ("drip_body", {"every": 0.05}),
]
SIGNALS_OF = {"placed": ["call_placed"], "failed": ["call_failed"], "unknown": []}


def what_became(attempt: VerificationAttempt, heard: Heard) -> Becomes:
    attempt = VerificationAttempt.objects.select_related("phone").get(pk=attempt.pk)
    now, phone, control = datetime.now(UTC), attempt.phone, CallControl.objects.first() or CallControl()
    return Becomes(
        status=attempt.status,
        error_code=attempt.error_code,
        counts=len(phone.moments) == 1,
        hold=seconds_until(phone.held_until, now),
        pause=seconds_until(control.paused_until, now),
        pause_reason=control.paused_reason,
        alerts=[told["kind"] for name, told in heard.told if name == "alert"],
    )


def seconds_until(moment: datetime | None, now: datetime) -> int:
    """Return the seconds, rounded up. A test takes less than a second."""
    return 0 if moment is None else round((moment - now) / timedelta(seconds=1) + 0.45)


@pytest.mark.parametrize(("fault", "options", "becomes"), ANSWERS, ids=[f"{row[0]}-{row[1]}" for row in ANSWERS])
def test_each_answer_to_a_call_has_the_outcome_of_the_table(
    telroi: Simulator, heard: Heard, code_maker: str, fault: str, options: dict[str, Any], becomes: Becomes
) -> None:
    is_sent_twice = fault in TWICE and code_maker == "site"
    telroi.fail_next(fault, on="send", times=2 if is_sent_twice else 1, **options)

    attempt = services.start_verification(NUMBER)

    assert what_became(attempt, heard) == becomes
    assert sends(telroi) == (2 if is_sent_twice else 1)
    assert [name for name in heard.names if name != "alert"] == SIGNALS_OF[becomes.status]


@pytest.mark.parametrize(("fault", "options"), SILENCES, ids=[row[0] for row in SILENCES])
@pytest.mark.usefixtures("short_timeouts")
def test_a_call_is_unknown_when_its_answer_times_out(
    telroi: Simulator, heard: Heard, fault: str, options: dict[str, Any]
) -> None:
    telroi.fail_next(fault, on="send", **options)

    attempt = services.start_verification(NUMBER)

    assert what_became(attempt, heard) == NO_REPLY
    assert sends(telroi) == 1
    assert heard.names == []


def test_a_call_that_was_certainly_not_sent_is_retried_once_and_then_fails(telroi: Simulator, heard: Heard) -> None:
    with telroi.refusing():
        attempt = services.start_verification(NUMBER)

    assert what_became(attempt, heard) == Becomes("failed", "unreachable")
    assert sends(telroi) == 0
    assert heard.names == ["call_failed"]


class ScriptedBackend(LocmemBackend):
    """A backend that raises the errors of its script in order, and then places calls."""

    rings = True

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    script: list[Exception] = []
    asked = 0

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        type(self).asked += 1
        if self.script:
            raise self.script.pop(0)
        return super().place_call(to, code_length=code_length, language=language)


@pytest.fixture
def scripted(configure: Configure) -> type[ScriptedBackend]:
    configure(BACKEND=f"{__name__}.ScriptedBackend")
    ScriptedBackend.script, ScriptedBackend.asked = [], 0
    return ScriptedBackend


@pytest.mark.parametrize(
    ("script", "status", "asked"),
    [
        ([ApiUnreachable()], "placed", 2),
        ([ApiUnreachable(), ApiUnreachable()], "failed", 2),
        ([ApiUnreachable(), ApiOutcomeUnknown()], "unknown", 2),
        ([ApiOutcomeUnknown()], "unknown", 1),
        ([ZeroDivisionError()], "unknown", 1),
        ([ApiUnreachable(), ZeroDivisionError()], "unknown", 2),
    ],
)
def test_only_a_request_that_was_not_sent_is_retried_and_only_once(
    scripted: type[ScriptedBackend], script: list[Exception], status: str, asked: int
) -> None:
    scripted.script = list(script)

    attempt = services.start_verification(NUMBER)

    assert (attempt.status, scripted.asked) == (status, asked)


@pytest.mark.codes("site")
@pytest.mark.parametrize(
    ("error", "seconds", "outcome", "asked"),
    [
        (ApiUnreachable(), 9, ("placed", ""), 2),
        (ApiUnreachable(), 11, ("failed", "unreachable"), 1),
        (ApiRefused(422), 9, ("placed", ""), 2),
        (ApiRefused(422), 11, ("failed", "unavailable"), 1),
    ],
)
def test_a_request_is_not_sent_again_if_its_answer_could_come_after_the_lease(
    scripted: type[ScriptedBackend],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    seconds: int,
    outcome: tuple[str, str],
    asked: int,
) -> None:
    monkeypatch.setattr(place, "monotonic", lambda: time.monotonic() + seconds * scripted.asked)
    scripted.script = [error]

    attempt = services.start_verification(NUMBER)

    assert ((attempt.status, attempt.error_code), scripted.asked) == (outcome, asked)


@pytest.mark.parametrize("dispatch", ["inline", "celery"])
def test_no_call_is_placed_long_after_its_claim(
    scripted: type[ScriptedBackend], monkeypatch: pytest.MonkeyPatch, configure: Configure, dispatch: str
) -> None:
    """The claim waited for a lock, or the process was suspended: the person may have canceled, or called again."""
    configure(DISPATCH=dispatch)
    monkeypatch.setattr(place, "monotonic", lambda: time.monotonic() + 11)

    attempt = services.start_verification(NUMBER)
    if dispatch == "celery":
        place_call(attempt.pk)

    attempt.refresh_from_db()
    assert (attempt.status, scripted.asked) == ({"inline": "failed", "celery": "queued"}[dispatch], 0)
    assert attempt.error_code == ("unavailable" if dispatch == "inline" else "")
    monkeypatch.undo()
    if dispatch == "inline":
        assert services.call_again(attempt.uuid).status == "placed"


def test_a_placed_call_is_stored_with_the_data_of_telroi(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)

    attempt.refresh_from_db()
    [call] = telroi.calls
    assert (attempt.telroi_id, attempt.livemode, attempt.error_code, attempt.closed_at) == (call.id, True, "", None)
    assert attempt.dialed_at <= attempt.placed_at < attempt.expires_at == attempt.due_at


def test_a_failed_call_is_closed_and_not_due(telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")

    attempt = services.start_verification(NUMBER)

    attempt.refresh_from_db()
    assert (attempt.due_at, attempt.error_detail) == (None, "insufficient_funds")
    assert attempt.closed_at >= attempt.dialed_at


def test_an_unknown_call_is_due_when_its_code_expires(telroi: Simulator) -> None:
    telroi.fail_next("close")

    attempt = services.start_verification(NUMBER)

    attempt.refresh_from_db()
    assert (attempt.due_at, attempt.closed_at, attempt.telroi_id) == (attempt.expires_at, None, None)


@pytest.mark.parametrize(("theirs", "is_believed"), [(120, True), (3600, False), (-10, False)])
def test_telrois_expiry_is_used_only_if_it_is_earlier_and_in_the_future(
    telroi: Simulator, theirs: int, is_believed: bool
) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=theirs)
    telroi.fail_next("fields", change={"expires_at": moment.isoformat()})

    attempt = services.start_verification(NUMBER)

    assert (attempt.expires_at == moment) is is_believed
    assert is_believed or attempt.expires_at == attempt.dialed_at + timedelta(seconds=300)


def test_an_id_that_another_attempt_has_is_not_stored(telroi: Simulator, heard: Heard) -> None:
    first = services.start_verification(OTHER_NUMBER)
    telroi.fail_next("fields", to=NUMBER, change={"id": first.telroi_id})

    second = services.start_verification(NUMBER)

    second.refresh_from_db()
    assert (second.status, second.error_code, second.telroi_id) == ("unknown", "no_reply", None)
    assert len(moments()) == 1
    assert heard.names == ["call_placed"]


def test_telrois_texts_are_shortened_and_cleaned_for_staff(telroi: Simulator) -> None:
    telroi.fail_next("otp_failed", message=f"Trunk\r\n to {NUMBER} is\x00congested " + "x" * 300)

    attempt = services.start_verification(NUMBER)

    attempt.refresh_from_db()
    assert attempt.error_detail.startswith("Trunk to [hidden] is congested xxx")
    assert len(attempt.error_detail) == 200


def test_a_number_that_telroi_limits_is_held_as_long_as_telroi_says(telroi: Simulator, site_clock: Any) -> None:
    telroi.fail_next("rate_limited", wait=42)

    attempt = services.start_verification(NUMBER)

    phone = PhoneNumber.objects.get()
    standing = services.follow(attempt.uuid)
    assert (phone.limited_by, phone.next_call_at, phone.calls) == ("held", phone.held_until, [])
    assert (standing.refusal.code, standing.refusal.retry_after) == ("held", standing.call_again_in)
    assert standing.call_again_in == 42


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("invalid", "not_callable"),
        ("unauthorized", "misconfigured"),
        ("rate_limited", "held"),
        ("key_limited", "unavailable"),
        ("service_unavailable", "unavailable"),
        ("insufficient_funds", "unavailable"),
    ],
)
def test_a_failed_call_is_raised_as_a_refusal(telroi: Simulator, fault: str, code: str) -> None:
    telroi.fail_always(fault)

    attempt = services.start_verification(NUMBER)

    assert services.follow(attempt.uuid).refusal.code == code


@pytest.mark.parametrize(("fault", "wait"), [("key_limited", 56), ("unauthorized", 60)])
def test_a_call_that_fails_because_of_the_key_names_the_wait_of_every_call(
    telroi: Simulator, site_clock: Any, fault: str, wait: int
) -> None:
    telroi.fail_next(fault)

    attempt = services.start_verification(NUMBER)

    standing = services.follow(attempt.uuid)
    assert standing.refusal.retry_after == standing.call_again_in
    assert standing.call_again_in == wait


def test_a_call_that_could_not_be_placed_for_now_names_a_wait(telroi: Simulator) -> None:
    telroi.fail_next("service_unavailable")
    down = services.start_verification(NUMBER)
    with telroi.refusing():
        unreachable = services.start_verification(OTHER_NUMBER)

    refusals = [services.follow(attempt.uuid).refusal for attempt in (down, unreachable)]

    assert [(refusal.code, refusal.retry_after) for refusal in refusals if refusal] == [("unavailable", 15)] * 2
    assert services.follow(down.uuid, now=down.closed_at + timedelta(seconds=15)).refusal.retry_after is None


@pytest.mark.parametrize("fault", ["placed", "close", "otp_failed"])
def test_no_other_attempt_is_raised_as_a_refusal(telroi: Simulator, fault: str) -> None:
    if fault != "placed":
        telroi.fail_next(fault)

    attempt = services.start_verification(NUMBER)

    assert services.follow(attempt.uuid).refusal is None


def test_a_call_that_did_not_count_can_be_requested_again_at_once(telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")
    services.start_verification(NUMBER)

    second = services.start_verification(NUMBER)

    assert second.status == "placed"
    assert moments() == (second.dialed_at,)


def test_the_same_alert_is_raised_once_an_hour(telroi: Simulator, heard: Heard) -> None:
    telroi.fail_next("insufficient_funds", times=3)
    for _ in range(3):
        services.start_verification(NUMBER)

    assert heard.names.count("alert") == 1
    assert AttemptEvent.objects.filter(kind="alert", attempt=None, phone=None).count() == 1


def test_an_alert_is_raised_again_when_its_hour_is_over(db: None, heard: Heard) -> None:
    first = datetime(2027, 3, 1, 10, 50, tzinfo=UTC)

    for minutes in (0, 9, 11, 59, 61, 100, 122):
        send_alert(Alert.KEY_LIMITED, now=first + timedelta(minutes=minutes), using="default")

    times = AttemptEvent.objects.order_by("id").values_list("at", flat=True)
    assert [(at - first) / timedelta(minutes=1) for at in times] == [0, 61, 122]
    assert heard.names == ["alert"] * 3


def test_alerts_of_different_kinds_are_both_raised(db: None, heard: Heard) -> None:
    now = datetime(2027, 3, 1, 10, 50, tzinfo=UTC)

    send_alert(Alert.KEY_LIMITED, now=now, using="default")
    send_alert(Alert.INSUFFICIENT_FUNDS, now=now, using="default")

    assert [told["kind"] for _, told in heard.told] == ["key_limited", "insufficient_funds"]


def test_a_receiver_that_raises_changes_nothing(
    telroi: Simulator, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    from django_telroi import signals

    def receiver(**told: Any) -> None:
        raise ZeroDivisionError

    signals.call_placed.connect(receiver)
    try:
        attempt = services.start_verification(NUMBER)
    finally:
        names = heard.names
        signals.call_placed.disconnect(receiver)

    assert (attempt.status, names) == ("placed", ["call_placed"])


def test_no_redirect_is_followed(telroi: Simulator) -> None:
    with Simulator() as elsewhere:
        telroi.fail_next("redirect", location=f"{elsewhere.base_url}/v1/otp", status=307)

        attempt = services.start_verification(NUMBER)

    assert (attempt.status, elsewhere.requests) == ("unknown", [])


def test_a_person_who_waits_as_long_as_shown_is_called_again(telroi: Simulator) -> None:
    telroi.fail_next("rate_limited", wait=42)
    services.start_verification(NUMBER)
    let_time_pass(43, telroi)

    attempt = services.start_verification(NUMBER)

    assert attempt.status == "placed"


def test_the_answer_to_a_canceled_call_changes_nothing(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    place = TelroiBackend.place_call

    def give_up_before_the_answer(backend: TelroiBackend, to: str, **options: Any) -> OtpCall:
        call = place(backend, to, **options)
        services.cancel_verification(VerificationAttempt.objects.get().uuid)
        return call

    monkeypatch.setattr(TelroiBackend, "place_call", give_up_before_the_answer)

    attempt = services.start_verification(NUMBER)

    row = VerificationAttempt.objects.get()
    assert (attempt.status, row.status) == ("canceled", "canceled")
    assert (row.telroi_id, row.due_at, row.placed_at) == (None, None, None)
