"""Every kind of stock project in a real browser: the page and the drop-in, with and without the script.

``TELROI_PICTURES`` names a folder for a picture of each last step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route, expect

from tests.project.stock_project import StockProject
from tests.project.stock_sites import API, INVALID, KINDS, PAGES, Kind, made

pytestmark = pytest.mark.browser

FILES = "**/telroi.js"
WITH_PAGES = [name for name, kind in KINDS.items() if PAGES in kind.urls]
WITH_API = [name for name, kind in KINDS.items() if API in kind.urls]
WAYS = [("/phone/", "runs"), ("/host/", "is blocked"), ("/host/", "is late")]
LARGEST_SIGN = 100
"""Pixels. Without a stylesheet, a picture without a size would fill the page."""

ASK_API = """async ([path, body]) => {
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return [reply.status, await reply.json()];
}"""


@dataclass
class Seen:
    """Return the browser errors, without those for a missing script or stylesheet, which are expected."""

    lacks_files: bool
    complaints: list[str] = field(default_factory=list)

    def hears(self, said: ConsoleMessage) -> None:
        about = f"{said.text} {said.location.get('url', '')}"
        is_expected = self.lacks_files and "telroi/telroi." in about
        if said.type in {"error", "warning"} and not is_expected:
            self.complaints.append(about)

    def gets(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")


@contextmanager
def opened(chromium: Browser, seen: Seen) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.on("console", seen.hears)
    page.on("response", seen.gets)
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    yield page
    context.close()


def origin(address: str) -> str:
    return "/".join(address.split("/")[:3])


@pytest.mark.parametrize("name", WITH_PAGES)
def test_a_phone_is_verified_on_the_page_and_in_the_drop_in(name: str, tmp_path: Path, chromium: Browser) -> None:
    kind, numbers = KINDS[name], count(100)
    project = made(StockProject(tmp_path), kind)
    with project.serving() as person:
        for path, script in WAYS:
            seen = Seen(lacks_files=script == "is blocked" or lacks_static_files(kind))
            with opened(chromium, seen) as page:
                walk(page, origin(person.address) + path, script, project, f"+234803123{next(numbers):04}")
                if folder := os.environ.get("TELROI_PICTURES"):
                    page.screenshot(path=Path(folder, f"{name} {path.strip('/')} {script}.png"))
            assert seen.complaints == [], (path, script)


def lacks_static_files(kind: Kind) -> bool:
    return any("staticfiles" in app for app in kind.without)


def walk(page: Page, address: str, script: str, project: StockProject, number: str) -> None:
    held: list[Route] = []
    if script == "is blocked":
        page.route(FILES, lambda route: route.abort())
    elif script == "is late":
        page.route(FILES, lambda route: held.append(route))
    page.goto(address, wait_until="commit" if script == "is late" else "load")
    card = page.locator("#telroi-1")
    expect(card.locator("[data-telroi-step=number]")).to_be_visible()
    card.locator("[name=number]").fill(number)
    for route in held:
        route.continue_()
    page.unroute(FILES) if script == "is late" else None
    card.locator(".telroi-button").click()
    expect(card.locator("[data-telroi-step=code]")).to_be_visible()
    if script == "is blocked":
        for button in card.get_by_role("button").all():
            expect(button).to_be_visible()
        expect(card.locator("button")).to_have_count(card.get_by_role("button").count())
    assert not INVALID.search(page.content())
    card.locator("[name=code]").fill(project.code_read_out())
    card.locator(".telroi-button").click()
    expect(card.locator("[data-telroi-step=done]")).to_be_visible()
    sign = card.locator("svg").bounding_box()
    assert sign
    assert sign["height"] <= LARGEST_SIGN
    assert not INVALID.search(page.content())


@pytest.mark.parametrize("name", WITH_API)
def test_a_phone_is_verified_over_the_api(name: str, tmp_path: Path, chromium: Browser) -> None:
    project = made(StockProject(tmp_path), KINDS[name])
    seen = Seen(lacks_files=False)
    with project.serving("/") as person, opened(chromium, seen) as page:
        page.goto(person.address)
        status, started = page.evaluate(ASK_API, ["/api/phone/verifications/", {"number": "+2348031234567"}])
        assert status == 201, started
        path = f"/api/phone/verifications/{started['id']}/check/"
        status, answer = page.evaluate(ASK_API, [path, {"code": project.code_read_out()}])
    assert (status, answer["verified"]) == (200, True)
    assert seen.complaints == []
