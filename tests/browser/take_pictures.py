"""Take the pictures of the documentation from the running demo, in both themes. ``make pictures`` runs it.

Each picture has a palette of at most 256 colours, which is a quarter of the size.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import SHELL
from tests.browser.pictures import SOURCES, THEMES, file_of, write_digests
from tests.browser.steps import call_and_answer, code_field, code_of_the_call, digits_heard
from tests.example.running import Demo, running_demo

NUMBERS = {"light": "+1 201 555 0123", "dark": "+1 201 555 0124"}


def go(page: Page, url: str) -> None:
    """Open a page. An error page is no picture of the documentation."""
    response = page.goto(url)
    assert response
    assert response.ok, (response.status, url)


def page_of_the_shop(page: Page, demo: Demo, theme: str) -> None:
    go(page, demo.home)
    call_and_answer(page, NUMBERS[theme])
    code_field(page).press_sequentially(code_of_the_call(page)[:4])
    expect(digits_heard(page)).to_have_count(4)


def overview(page: Page, demo: Demo, theme: str) -> None:
    log_in(page, demo)
    go(page, f"{demo.home}admin/django_telroi/phonenumber/overview/")


def attempt(page: Page, demo: Demo, theme: str) -> None:
    """The newest attempt that ended with three wrong codes."""
    log_in(page, demo)
    go(page, f"{demo.home}admin/django_telroi/verificationattempt/?status__exact=locked")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()


def api(page: Page, demo: Demo, theme: str) -> None:
    go(page, f"{demo.home}api/docs/")


def log_in(page: Page, demo: Demo) -> None:
    go(page, f"{demo.home}admin/")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Log in").click()


SHOWN: dict[str, Callable[[Page, Demo, str], None]] = {
    "page": page_of_the_shop,
    "overview": overview,
    "attempt": attempt,
    "api": api,
}
HEIGHTS = {"page": 850, "overview": 1000, "attempt": 1000, "api": 850}


def take(browser: Browser, demo: Demo, picture: str, theme: str) -> None:
    viewport = {"width": 1120, "height": HEIGHTS[picture]}
    with browser.new_context(
        viewport=viewport,  # type: ignore[arg-type]
        device_scale_factor=1.5,
        color_scheme=theme,  # type: ignore[arg-type]
        locale="en-US",
        reduced_motion="reduce",
    ) as context:
        page = context.new_page()
        SHOWN[picture](page, demo, theme)
        save(page.screenshot(animations="disabled"), file_of(picture, theme))


def save(png: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    sys.stdout.write(f"{path.name}: {path.stat().st_size // 1000} kB\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as state, running_demo(Path(state)) as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=SHELL)
        for picture in SOURCES:
            for theme in THEMES:
                take(browser, demo, picture, theme)
        browser.close()
    write_digests()


if __name__ == "__main__":
    main()
