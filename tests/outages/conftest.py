"""A site with all faces that calls the simulator, people in the middle of a verification, and database faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from django_telroi.simulator import Simulator
from tests.calling_site import Configure, configure, simulator, telroi
from tests.outages.backend import HOOKED, Hooks, hooks
from tests.outages.people import People
from tests.outages.proxy import Proxy, proxied
from tests.webhooks.telroi import SECRET

__all__ = ["configure", "simulator", "telroi"]

# They cut a connection to a database server.
DATABASE = os.environ.get("TELROI_TEST_DB", "sqlite")
collect_ignore_glob = {"sqlite": ["test_cut_*.py"], "mariadb": ["test_cut_pool.py"]}.get(DATABASE, [])

NO_RATES = {scope: {"ip": None, "user": None} for scope in ("start", "check")}
MANY_CALLS = {"COOLDOWN_SECONDS": 0, "CALLS_PER_HOUR": 1000, "CALLS_PER_DAY": 1000}


@pytest.fixture(autouse=True)
def every_face(telroi: Simulator, configure: Configure, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.outages.site"
    configure(BACKEND=HOOKED, WEBHOOK_SECRETS=[SECRET], RATES=NO_RATES, **MANY_CALLS)


@pytest.fixture
def people(transactional_db: None, every_face: None, telroi: Simulator) -> People:
    return People.in_the_middle(telroi)


@pytest.fixture
def proxy(people: People) -> Iterator[Proxy]:
    """The proxy of the database connection, not cut yet."""
    with proxied() as running:
        yield running


@pytest.fixture(autouse=True)
def hooked(telroi: Simulator) -> Iterator[Hooks]:
    """The hooks around a request to Telroi. They do nothing yet."""
    hooks.before = hooks.after = None
    yield hooks
    hooks.before = hooks.after = None
