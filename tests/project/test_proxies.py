"""The table of docs/howto/proxies.rst: how many proxies are on the way of a request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from django_telroi.models import VerificationAttempt
from tests.docs_blocks import DOCS, blocks_of_page

PAGE = "howto/proxies.rst"
WAYS = re.findall(r"^   \* - (visitor .*)\n     - ``(\d)``$", (DOCS / PAGE).read_text(), re.MULTILINE)
VISITOR, FORGED, PROXY = "198.51.100.7", "203.0.113.7", "192.0.2."


@pytest.mark.django_db
@pytest.mark.parametrize(("way", "proxies"), WAYS)
def test_the_visitor_counts_on_every_way(way: str, proxies: str, settings: Any) -> None:
    """Each proxy appends the address of its client. The visitor sends an entry of their own."""
    settings.TELROI = {"TRUSTED_PROXIES": int(proxies)}
    between = way.split(" → ")[1:-1]
    clients = [VISITOR, *(f"{PROXY}{number}" for number in range(1, len(between) + 1))]
    forwarded = ", ".join([FORGED, *clients[:-1]])

    Client().post(
        "/api/phone/verifications/",
        {"number": "+2348031234567"},
        "application/json",
        REMOTE_ADDR=clients[-1],
        HTTP_X_FORWARDED_FOR=forwarded,
    )

    assert VerificationAttempt.objects.get().requester_ip == VISITOR


def test_the_table_has_every_way() -> None:
    assert len(WAYS) == 6


def test_the_line_for_nginx_is_that_of_the_deployment() -> None:
    [line] = [block.body.strip() for block in blocks_of_page(PAGE) if block.kind == "nginx"]
    [server] = [block.body for block in blocks_of_page("howto/deployment.rst") if block.kind == "nginx"]

    assert f"        {line}\n" in server
