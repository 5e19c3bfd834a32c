"""Django's connection pool for PostgreSQL: each broken connection in it costs at most one 503."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from tests.outages.backend import Hooks
from tests.outages.people import API, READERS, People
from tests.outages.proxy import Proxy
from tests.services.world import sends


@pytest.fixture
def pool(people: People, proxy: Proxy) -> Iterator[Any]:
    """A pool with two connections."""
    connection.close()
    connection.settings_dict["OPTIONS"] = {"pool": {"min_size": 2, "max_size": 2, "timeout": 5}}
    yield connection
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    connection.settings_dict["OPTIONS"] = {}


def test_a_start_during_which_the_pool_is_cut_returns_its_id(
    people: People, proxy: Proxy, hooked: Hooks, pool: Any
) -> None:
    hooked.after = lambda: proxy.cut(stays_cut=False)

    reply = people.program.post(API, {"number": next(people.new)}, "application/json")

    assert reply.status_code in (201, 202)
    assert reply.json()["id"]


def test_a_pool_that_cannot_connect_gives_503(people: People, proxy: Proxy, pool: Any) -> None:
    before = sends(people.telroi)
    connection.ensure_connection()
    proxy.cut(stays_cut=True)

    statuses = [people.program.post(API, {"number": next(people.new)}, "application/json").status_code]
    statuses += [READERS["api: how it stands"](people).status_code]

    assert (statuses, sends(people.telroi)) == ([503, 503], before)
