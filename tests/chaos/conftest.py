"""A site as processes, on the database of the tests, with a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.stage import BROKERS, HANGS, Stage, stage


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def on_stage(tmp_path: Path, broker: str, transactional_db: None) -> Callable[..., AbstractContextManager[Stage]]:
    """Return a function that starts the site. The arguments are keys of ``TELROI``."""
    return partial(stage, tmp_path, broker=broker)


@pytest.fixture
def standing(on_stage: Callable[..., AbstractContextManager[Stage]]) -> Iterator[Stage]:
    """A site with default settings, except that its calls may wait long enough for a slow machine."""
    with on_stage(QUEUE_DEADLINE_SECONDS=HANGS) as raised:
        yield raised


def rows(**only: Any) -> list[dict[str, Any]]:
    from django_telroi.models import VerificationAttempt

    return list(VerificationAttempt.objects.filter(**only).order_by("pk").values())
