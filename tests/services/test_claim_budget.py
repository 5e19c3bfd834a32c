"""The key's budget and the claim: a slot is taken outside the transaction, and returned if the claim is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection
from django_ratelimit.core import get_usage

from django_telroi import services
from django_telroi.backends import get_backend
from django_telroi.backends.budget import share_of
from django_telroi.errors import AttemptNotFound, Unavailable, VerificationRefused
from django_telroi.models import PhoneNumber
from django_telroi.services.calls import claim_and_call
from django_telroi.services.shared import backend_calls
from django_telroi.services.shared.writes import VersionConflict
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.limits.faces import Api
from tests.manual_clocks import ManualClock, hold_clock
from tests.services.world import sends

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

NUMBERS = [f"+234803{n:07d}" for n in range(1, 62)]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManualClock]:
    """Freeze the budget's windows, so that all requests of a test are in one window, also on a slow machine."""
    yield hold_clock(monkeypatch, backend_calls, at=time.time())
    caches["default"].clear()


def used_of_budget() -> int:
    share = share_of(600)
    digest = get_backend().key_digest
    usage = get_usage(
        None,
        group="django_telroi.requests",
        key=lambda group, request: digest,
        rate=(share.for_all, share.seconds),
        increment=False,
    )
    assert usage is not None
    return int(usage["count"])


def test_a_used_id_uses_no_place_in_the_keys_budget(telroi: Simulator, configure: Configure) -> None:
    configure(KEY_REQUESTS_PER_MINUTE=600)
    key = uuid4()
    services.start_verification(NUMBERS[0], attempt_uuid=key)
    before = used_of_budget()

    for number in NUMBERS[:15]:
        with suppress(AttemptNotFound):
            services.start_verification(number, attempt_uuid=key)

    assert (used_of_budget(), sends(telroi)) == (before, 1)


class Watched(LocMemCache):
    """A cache that records for each command whether the database was in a transaction."""

    in_transaction: list[bool] = []

    def _seen(self) -> None:
        Watched.in_transaction.append(connection.in_atomic_block)

    def add(self, *args: Any, **options: Any) -> Any:
        self._seen()
        return super().add(*args, **options)

    def get(self, *args: Any, **options: Any) -> Any:
        self._seen()
        return super().get(*args, **options)

    def incr(self, *args: Any, **options: Any) -> Any:
        self._seen()
        return super().incr(*args, **options)

    def set(self, *args: Any, **options: Any) -> Any:
        self._seen()
        return super().set(*args, **options)


@pytest.mark.django_db(transaction=True)
def test_the_cache_is_not_used_while_a_row_is_locked(
    telroi: Simulator, configure: Configure, settings: Any, enqueued: Any
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Watched", "LOCATION": str(uuid4())}}
    configure(KEY_REQUESTS_PER_MINUTE=600)
    Watched.in_transaction.clear()

    person = Api()
    person.starts(NUMBERS[0])
    person.checks(telroi.last_code_for(NUMBERS[0]))
    configure(DISPATCH="celery")
    services.place_call(services.start_verification(NUMBERS[1]).pk)

    assert sends(telroi) == 2
    assert len(Watched.in_transaction) > 5
    assert not any(Watched.in_transaction)


def test_a_lost_claim_gives_its_place_in_the_budget_back(
    telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(KEY_REQUESTS_PER_MINUTE=600)
    before = used_of_budget()

    def lost(*_: Any, **__: Any) -> None:
        raise VersionConflict

    monkeypatch.setattr(claim_and_call, "claim_start", lost)
    for number in NUMBERS[:10]:
        with pytest.raises(VerificationRefused):
            services.start_verification(number)

    assert used_of_budget() == before


def test_at_most_two_requests_of_a_process_sleep_for_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep, woken, refused = threading.Semaphore(0), threading.Event(), []

    def sleep(seconds: float) -> None:
        asleep.release()
        assert woken.wait(30)

    monkeypatch.setattr(backend_calls, "time", SimpleNamespace(sleep=sleep))

    def wait() -> None:
        if not backend_calls.SlotWait(is_request=True).sleep(3):
            refused.append(True)

    sleepers = [threading.Thread(target=wait) for _ in range(2)]
    for thread in sleepers:
        thread.start()
        assert asleep.acquire(timeout=30)
    for _ in range(5):
        wait()
    woken.set()
    for thread in sleepers:
        thread.join(30)

    assert len(refused) == 5
    wait()
    assert len(refused) == 5


def test_a_worker_may_sleep_beside_those_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_calls, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(backend_calls, "_sleep_slots", threading.BoundedSemaphore(1))
    backend_calls._sleep_slots.acquire()

    slept = [backend_calls.SlotWait(is_request=is_request).sleep(3) for is_request in (True, False)]

    assert slept == [False, True]


def test_a_request_that_may_not_sleep_is_refused_with_the_wait(
    telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(KEY_REQUESTS_PER_MINUTE=600)
    monkeypatch.setattr(backend_calls, "_sleep_slots", threading.BoundedSemaphore(1))
    backend_calls._sleep_slots.acquire()

    with pytest.raises(Unavailable) as refused:  # noqa: PT012 - whichever start is the first over the budget
        for number in NUMBERS[:40]:
            services.start_verification(number)

    assert 1 <= (refused.value.retry_after or 0) <= 6
    assert PhoneNumber.objects.count() == sends(telroi)
