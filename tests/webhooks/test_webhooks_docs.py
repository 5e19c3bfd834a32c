"""The code of the how-to page works with deliveries of the simulator on a real socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.urls import resolve

from django_telroi import services
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.project.test_howto import blocks_of, names_of
from tests.services.world import NUMBER, OTHER_NUMBER

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_lost_answer_is_reported_as_documented(telroi_simulator: Simulator, live_site: str) -> None:
    story = names_of("webhooks.rst")["test_a_webhook_settles_a_call_whose_answer_got_lost"]

    story(telroi_simulator, SimpleNamespace(url=live_site))

    attempt = VerificationAttempt.objects.get()
    result = services.check_code(attempt.uuid, telroi_simulator.calls[-1].code)
    assert result.outcome == "verified"
    assert attempt.telroi_id == telroi_simulator.otps[-1].id


def test_the_settings_of_the_page_read_secrets_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    [_, block, _] = blocks_of("webhooks.rst", "python")
    names: dict[str, Any] = {"TELROI": {}}
    monkeypatch.setenv("TELROI_WEBHOOK_SECRETS", "whsec_old,whsec_new")

    exec(block, names)

    assert names["TELROI"] == {"WEBHOOK_SECRETS": ["whsec_old", "whsec_new"]}


def test_the_url_of_the_page_is_that_of_the_endpoint() -> None:
    assert resolve(urlsplit("https://your.site/telroi/webhook").path).view_name == "telroi-webhooks:webhook"


@pytest.mark.codes("telroi")
def test_all_delivery_faults_together_have_the_same_result(telroi_simulator: Simulator, live_site: str) -> None:
    """Lost answers, forged copies, repeats and random order, then retries on a clock that is moved forward."""
    telroi_simulator.set_policy(cooldown=0)
    telroi_simulator.set_webhook(live_site + "/telroi/webhook")
    telroi_simulator.fail_next("reset")
    lost = services.start_verification(NUMBER)
    telroi_simulator.carrier("no_carrier", times=1)
    failed = services.start_verification(OTHER_NUMBER)
    assert {lost.status, failed.status} == {"unknown"}
    services.check_code(lost.uuid, "000000")

    telroi_simulator.unsign_webhooks(3)
    telroi_simulator.deliver_webhooks()
    assert not AttemptEvent.objects.filter(kind=EventKind.WEBHOOK).exists()
    assert {each.status for each in telroi_simulator.webhooks} == {401}
    telroi_simulator.advance(300)
    telroi_simulator.deliver_webhooks(runs=3)

    lost.refresh_from_db()
    failed.refresh_from_db()
    assert (lost.status, failed.status, failed.error_code) == ("placed", "failed", "call_failed")
    assert failed.error_detail.startswith("No Telroi voice gateway")
    assert {each.state for each in telroi_simulator.webhooks} == {"delivered"}
    assert AttemptEvent.objects.filter(kind=EventKind.WEBHOOK).count() == 3
    assert not VerifiedPhone.objects.exists()
