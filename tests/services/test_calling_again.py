"""A refused "call again" keeps the code of the previous call. A code is judged for one attempt, never for two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from django_telroi import conf, services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCheck
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.models import VerificationAttempt
from django_telroi.services import StartFacts
from django_telroi.services.calls import place
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.rest.world import PhoneApi
from tests.services.test_right_code import OvertakenBackend
from tests.services.world import NUMBER, checks, moments, sends
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_cooldown(telroi: Simulator, configure: Configure) -> None:
    configure(COOLDOWN_SECONDS=0)
    telroi.set_policy(cooldown=0)


class Veto:
    """A veto of the site that takes some time."""

    def __init__(self) -> None:
        self.asks: Callable[[], object] = lambda: None

    def __call__(self, facts: StartFacts) -> None:
        self.asks()


VETO = Veto()


def status(attempt: VerificationAttempt) -> str:
    return VerificationAttempt.objects.get(pk=attempt.pk).status


class TestARefusedCall:
    """The old call stays open, and the same request can start the next call."""

    @pytest.mark.codes("telroi")
    @pytest.mark.parametrize("fault", ["rate_limited", "key_limited", "insufficient_funds", "invalid"])
    def test_leaves_the_code_of_the_old_call_valid(self, telroi: Simulator, fault: str) -> None:
        old = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        telroi.fail_next(fault, on="send")

        new = services.call_again(old.uuid)

        assert (new.status, status(old)) == ("failed", "placed")
        assert services.check_code(old.uuid, code).outcome == "verified"

    def test_that_was_not_sent_leaves_the_old_code_valid(self, telroi: Simulator) -> None:
        old = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)

        with telroi.refusing():
            services.call_again(old.uuid)

        assert services.check_code(old.uuid, code).outcome == "verified"

    @pytest.mark.codes("telroi")
    def test_does_not_make_the_next_request_a_repeat(self, telroi: Simulator) -> None:
        old = services.start_verification(NUMBER)
        for _ in range(3):
            telroi.fail_next("invalid", on="send")
            services.call_again(old.uuid)

        new = services.call_again(old.uuid)
        again = services.call_again(old.uuid)

        assert (new.status, status(old), again.pk) == ("placed", "superseded", new.pk)
        assert sends(telroi) == 5

    def test_can_be_continued_from_either_id(self, telroi: Simulator) -> None:
        old = services.start_verification(NUMBER)
        telroi.fail_next("invalid", on="send")
        failed = services.call_again(old.uuid)

        new = services.call_again(failed.uuid)

        assert (new.status, status(old)) == ("placed", "superseded")

    def test_is_a_refusal_on_the_api_and_the_old_id_stays_usable(self, telroi: Simulator) -> None:
        api = PhoneApi()
        started = api.started()
        code = telroi.last_code_for(NUMBER)
        telroi.fail_next("rate_limited", on="send")

        refused = api.call_again(started)

        assert (refused.status_code, refused.json()["code"]) == (429, "held")
        assert api.follow(started).json()["status"] == "placed"
        assert api.check(started, code).json()["verified"] is True

    def test_keeps_the_code_field_of_the_page(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        code = telroi.last_code_for(NUMBER)
        telroi.fail_next("rate_limited", on="send")

        visitor.presses("Call again")

        assert (visitor.heading(), visitor.note()[:35]) == ("We are calling you", "This number cannot be called just n")
        assert visitor.presses("Verify", code=code).heading() == "Your number is verified"


class TestWhileTheNewCallIsQueued:
    """While the new call is queued or being placed, the old code is judged. In the API the id decides."""

    @pytest.fixture(autouse=True)
    def _queue(self, configure: Configure, enqueued: Any) -> None:
        configure(DISPATCH="celery", COOLDOWN_SECONDS=0)

    def placed(self) -> VerificationAttempt:
        attempt = services.start_verification(NUMBER)
        services.place_call(attempt.pk)
        return attempt

    def test_the_old_code_is_judged_only_with_the_old_id(self, telroi: Simulator) -> None:
        old = self.placed()
        code = telroi.last_code_for(NUMBER)
        new = services.call_again(old.uuid)

        by_new = services.check_code(new.uuid, code)
        by_old = services.check_code(old.uuid, code)

        assert (by_new.outcome, by_old.outcome) == ("not_ready", "verified")

    def test_the_right_old_code_cancels_the_queued_call_and_uncounts_it(self, telroi: Simulator) -> None:
        old = self.placed()
        new = services.call_again(old.uuid)

        services.check_code(old.uuid, telroi.last_code_for(NUMBER))
        services.place_call(new.pk)

        assert (status(new), len(moments()), sends(telroi)) == ("canceled", 1, 1)

    @pytest.mark.parametrize("is_reported", [True, False])
    @pytest.mark.parametrize("settle", ["sweep", "read"])
    def test_the_right_old_code_closes_a_call_that_is_being_placed_when_its_lease_ends(
        self, telroi: Simulator, settle: str, is_reported: bool
    ) -> None:
        old = self.placed()
        code = telroi.last_code_for(NUMBER)
        new = services.call_again(old.uuid)
        lease_end = new.created_at + conf.lease()
        rows = VerificationAttempt.objects.filter(pk=new.pk)
        rows.update(status="dialing", dialed_at=new.created_at, due_at=lease_end)

        services.check_code(old.uuid, code)
        if is_reported:
            services.record_event(completed(new))
        assert (status(old), status(new)) == ("verified", "dialing")
        if settle == "sweep":
            services.sweep(now=lease_end)
        else:
            services.follow(new.uuid, now=lease_end)

        assert (status(old), status(new)) == ("verified", "canceled")

    def test_once_the_new_call_is_placed_only_it_takes_codes(self, telroi: Simulator) -> None:
        old = self.placed()
        code = telroi.last_code_for(NUMBER)
        new = services.call_again(old.uuid)
        services.place_call(new.pk)

        assert services.check_code(old.uuid, code).outcome == "closed"
        assert services.check_code(new.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_a_worker_that_is_killed_after_the_call_leaves_one_attempt_that_takes_codes(
        self, telroi: Simulator
    ) -> None:
        old = self.placed()
        code = telroi.last_code_for(NUMBER)
        new = services.call_again(old.uuid)
        VerificationAttempt.objects.filter(pk=new.pk).update(status="unknown", dialed_at=new.created_at)

        outcome = services.check_code(old.uuid, code).outcome

        assert (outcome, status(old), checks(telroi)) == ("closed", "superseded", 0)

    def test_the_next_call_supersedes_the_queued_one_and_keeps_the_one_that_rang(self, telroi: Simulator) -> None:
        old = self.placed()
        second = services.call_again(old.uuid)
        third = services.call_again(second.uuid)

        assert [status(each) for each in (old, second, third)] == ["placed", "superseded", "queued"]
        services.place_call(second.pk)
        services.place_call(third.pk)
        assert [status(each) for each in (old, second, third)] == ["superseded", "superseded", "placed"]
        assert sends(telroi) == 2

    @pytest.mark.codes("telroi")
    def test_a_call_requested_while_the_right_code_is_judged_is_canceled_too(
        self, telroi: Simulator, configure: Configure
    ) -> None:
        configure(BACKEND="tests.services.test_right_code.OvertakenBackend")
        old = self.placed()
        asked: list[VerificationAttempt] = []
        OvertakenBackend.meanwhile = lambda: asked.append(services.call_again(old.uuid))
        OvertakenBackend.says = OtpCheck(status="verified", verified=True, tries_left=None, livemode=True)

        services.check_code(old.uuid, telroi.last_code_for(NUMBER))

        assert (status(old), status(asked[0])) == ("verified", "canceled")  # before a worker reads the row
        services.place_call(asked[0].pk)
        assert sends(telroi) == 1

    def test_a_requeued_call_is_not_placed_after_the_old_code_was_right(self, telroi: Simulator) -> None:
        old = self.placed()
        new = services.call_again(old.uuid)
        VerificationAttempt.objects.filter(pk=new.pk).update(status="dialing", dialed_at=new.created_at)
        services.check_code(old.uuid, telroi.last_code_for(NUMBER))
        VerificationAttempt.objects.filter(pk=new.pk).update(status="queued", dialed_at=None)

        services.place_call(new.pk)

        assert (status(new), sends(telroi)) == ("canceled", 1)

    def test_cancel_cancels_both_attempts(self, telroi: Simulator) -> None:
        old = self.placed()
        new = services.call_again(old.uuid)

        services.cancel_verification(new.uuid)

        assert (status(old), status(new)) == ("canceled", "canceled")

    def test_the_page_takes_the_old_code(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        services.place_call(VerificationAttempt.objects.get().pk)
        visitor.opens("/phone/code/").presses("Call again")

        assert "you can still type the code of the last one" in visitor.note()
        assert client.get("/phone/status/").json()["step"] == "calling-again"
        visitor.presses("Verify", code=telroi.last_code_for(NUMBER))
        assert visitor.heading() == "Your number is verified"
        assert [each.status for each in VerificationAttempt.objects.order_by("pk")] == ["verified", "canceled"]

    def test_the_page_shows_the_new_call_once_it_is_placed(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        old = VerificationAttempt.objects.get()
        services.place_call(old.pk)
        visitor.opens("/phone/code/").presses("Call again")
        services.place_call(VerificationAttempt.objects.exclude(pk=old.pk).get().pk)

        visitor.opens("/phone/code/").presses("Verify", code=telroi.last_code_for(NUMBER))

        assert visitor.heading() == "Your number is verified"
        assert status(old) == "superseded"

    def test_the_page_returns_to_the_old_code_when_the_new_call_fails(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        old = VerificationAttempt.objects.get()
        services.place_call(old.pk)
        code = telroi.last_code_for(NUMBER)
        visitor.opens("/phone/code/").presses("Call again")
        telroi.fail_next("insufficient_funds", on="send")
        services.place_call(VerificationAttempt.objects.exclude(pk=old.pk).get().pk)

        visitor.opens("/phone/code/")

        assert visitor.note().startswith("The call could not be placed.")
        assert visitor.presses("Verify", code=code).heading() == "Your number is verified"


def test_a_call_is_not_placed_if_the_old_code_was_right_during_the_veto(
    telroi: Simulator, configure: Configure
) -> None:
    old = services.start_verification(NUMBER)
    VETO.asks = lambda: services.check_code(old.uuid, telroi.last_code_for(NUMBER))
    configure(MAY_START=f"{__name__}.VETO")

    attempt = services.call_again(old.uuid)

    assert (attempt.pk, status(attempt), sends(telroi), len(moments())) == (old.pk, "verified", 1, 1)


@pytest.mark.codes("telroi")
def test_without_an_id_no_code_is_judged_while_a_newer_call_is_dialing(telroi: Simulator) -> None:
    old = services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    VerificationAttempt.objects.update(telroi_id=None, status="unknown")
    new = VerificationAttempt.objects.create(
        phone_id=old.phone_id,
        status="dialing",
        dispatch="inline",
        max_tries=3,
        dialed_at=old.dialed_at.replace(microsecond=999_999),
        expires_at=old.expires_at,
    )

    while_dialing = services.check_code(old.uuid, code)
    new.delete()
    afterwards = services.check_code(old.uuid, code)

    assert (while_dialing.outcome, while_dialing.attempt.tries, afterwards.outcome) == ("unavailable", 0, "verified")


def test_a_double_click_on_call_again_is_one_call(telroi: Simulator) -> None:
    old = services.start_verification(NUMBER)

    first, second = services.call_again(old.uuid), services.call_again(old.uuid)

    assert (first.pk, sends(telroi)) == (second.pk, 2)


def completed(attempt: VerificationAttempt) -> WebhookEvent:
    return WebhookEvent(
        name="otp.completed",
        id="8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10",
        to=NUMBER,
        status="delivered",
        reason="",
        verified=None,
        created_at=attempt.created_at,
        digest="d" * 64,
    )


def test_a_call_that_a_killed_process_left_open_is_closed_when_two_newer_calls_exist(
    telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed between settling the second call and closing the first."""
    first = services.start_verification(NUMBER)
    with monkeypatch.context() as dying:
        dying.setattr(place, "close_superseded_calls", lambda *args, **options: None)
        second = services.call_again(first.uuid)
    monkeypatch.setattr(place, "_request_with_retry", hold_the_line)
    with pytest.raises(KeyboardInterrupt):
        services.call_again(second.uuid)

    result = services.check_code(first.uuid, "000000")

    assert (result.outcome, status(first), status(second)) == ("closed", "superseded", "placed")


def test_the_code_of_an_unsettled_call_is_right_although_the_older_call_was_never_closed(
    telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was killed while Telroi placed the call, and the lease is over."""
    first = services.start_verification(NUMBER)
    place_call = TelroiBackend.place_call

    def place_and_die(backend: TelroiBackend, to: str, **options: Any) -> None:
        place_call(backend, to, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(TelroiBackend, "place_call", place_and_die)
    with pytest.raises(KeyboardInterrupt):
        services.call_again(first.uuid)
    second = VerificationAttempt.objects.latest("pk")
    VerificationAttempt.objects.filter(pk=second.pk).update(due_at=second.created_at)

    result = services.check_code(second.uuid, telroi.last_code_for(NUMBER))

    assert (result.outcome, result.attempt.pk) == ("verified", second.pk)


def hold_the_line(*args: object, **options: object) -> None:
    """The third call is being placed, and its process was killed too."""
    raise KeyboardInterrupt
