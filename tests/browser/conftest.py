"""A real Chromium and the real demo."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import SHELL
from tests.example.running import Demo, running_demo

# London, 020 7946 0xxx: reserved for fiction, and not used by the demo's history.
_NUMBERS = (f"+44 20 7946 {last:04}" for last in count(100))


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo(state: Path) -> Iterator[Demo]:
    with running_demo(state) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=SHELL)
        yield browser
        browser.close()


@pytest.fixture
def number() -> str:
    """A number that was not called yet."""
    return next(_NUMBERS)


@pytest.fixture
def open_home(chromium: Browser, demo: Demo) -> Iterator[Callable[..., Page]]:
    """Open the home page in a new browser. Each browser error fails the test."""
    complaints: list[str] = []
    contexts = []

    def opened(**options: Any) -> Page:
        context = chromium.new_context(**{"reduced_motion": "reduce", **options})
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(demo.home)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def page(open_home: Callable[..., Page]) -> Page:
    return open_home()


@pytest.fixture
def let_minutes_pass(demo: Demo, state: Path) -> Callable[[str, int], None]:
    """Move the calls to a number into the past, for the site and for Telroi."""

    def pass_(number: str, minutes: int) -> None:
        e164 = number.replace(" ", "")
        with closing(sqlite3.connect(state / "db.sqlite3", timeout=120)) as database, database:
            ((calls,),) = database.execute("SELECT calls FROM django_telroi_phonenumber WHERE number = ?", [e164])
            earlier = [
                (datetime.fromisoformat(call) - timedelta(minutes=minutes)).isoformat() for call in json.loads(calls)
            ]
            database.execute(
                "UPDATE django_telroi_phonenumber SET calls = ? WHERE number = ?", [json.dumps(earlier), e164]
            )
        body = json.dumps({"seconds": minutes * 60}).encode()
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{demo.simulator}/_simulator/advance", data=body
        ).close()

    return pass_


expect.set_options(timeout=120_000)
