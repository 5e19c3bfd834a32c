"""Which Celery app of a project gets the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery, _state

from django_telroi.dispatch.celery_broker import site_app


@pytest.fixture
def reports(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project's second app. As the newest, it is the current app of the thread that created both."""
    monkeypatch.setattr(_state, "default_app", None)
    app = Celery("reports", broker="memory://", fixups=[])
    yield app
    app.close()


def elsewhere(ask: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_the_default_app_gets_the_messages_of_every_thread(celery_app: Any, reports: Any) -> None:
    celery_app.set_default()

    assert (site_app(), elsewhere(site_app)) == (celery_app, celery_app)


def test_a_single_app_need_not_be_the_default(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "default_app", None)

    assert (site_app(), elsewhere(site_app)) == (celery_app, celery_app)
