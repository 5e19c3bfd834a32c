"""A card that changes in place, beside a form that wants what it earns."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def site(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "tests.browser.proof_site", str(tmp_path / "db.sqlite3"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        assert is_listening(port)
        yield process
        process.terminate()


def is_listening(port: int) -> bool:
    for _ in range(300):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        time.sleep(0.1)
    return False


def test_the_proof_is_in_the_form_as_soon_as_the_card_says_so(
    chromium: Browser, site: subprocess.Popen[str], port: int
) -> None:
    page = chromium.new_page()
    page.goto(f"http://127.0.0.1:{port}/join/")
    page.get_by_label("Name").fill("Ada")

    page.get_by_label("Phone number").fill("+2348031234567")
    page.get_by_role("button", name="Call me").click()
    page.get_by_label("Six-digit code").fill(code_printed_by(site))
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()

    assert page.get_by_label("Name").input_value() == "Ada"
    assert page.locator("[name=phone_proof]").input_value()
    page.close()


def code_printed_by(site: subprocess.Popen[str]) -> str:
    assert site.stdout
    for line in site.stdout:
        if said := re.search(r"The code is (\d+)", line):
            return said.group(1)
    raise AssertionError("nobody was called")
