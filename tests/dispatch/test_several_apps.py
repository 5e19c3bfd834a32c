"""Which of a project's Celery apps gets the calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery, _state

from django_telroi.dispatch import site_app


@pytest.fixture
def reports(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project's second app. Made last, it is the current one of the thread that made both."""
    monkeypatch.setattr(_state, "default_app", None)
    app = Celery("reports", broker="memory://", fixups=[])
    yield app
    app.close()


def elsewhere(ask: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result()


def test_the_one_that_is_called_the_default_gets_them_in_every_thread(celery_app: Any, reports: Any) -> None:
    celery_app.set_default()

    assert (site_app(), elsewhere(site_app)) == (celery_app, celery_app)


def test_a_projects_only_one_needs_no_such_name(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state, "default_app", None)

    assert (site_app(), elsewhere(site_app)) == (celery_app, celery_app)
