"""A message to a worker contains only an attempt's id, and Celery logs nothing else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from kombu.transport import memory

from django_telroi import services, tasks
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.secrets.canaries import Canaries, all_of
from tests.services.conftest import Configure
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db


def test_no_message_and_no_log_line_of_celery_contains_a_secret(
    telroi: Simulator, canaries: Canaries, configure: Configure, celery_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    configure(DISPATCH="celery")
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.INFO, "django.db.backends")

    attempt = services.start_verification(NUMBER, requester_ip="203.0.113.7")
    on_their_way = "\n".join(str(message) for queue in memory.Channel.queues.values() for message in queue.queue)
    tasks.place_call.apply((attempt.pk,))
    services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))

    assert "django_telroi.tasks.place_call" in on_their_way
    assert canaries.lines_with(on_their_way) == []
    assert str(attempt.uuid) not in on_their_way
    assert VerificationAttempt.objects.get().status == "verified"
    assert canaries.lines_with("\n".join(all_of(each) for each in caplog.records)) == []
