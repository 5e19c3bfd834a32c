"""Take the README's picture of the page: ``python -m tests.browser.take_picture``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.steps import call_and_answer, code_field, code_of_the_call, digits_heard
from tests.example.running import running_demo

PICTURE = Path(__file__).resolve().parent.parent.parent / "docs" / "_static" / "page.png"
CHROMIUM = os.environ.get("TELROI_CHROMIUM", "/usr/bin/chromium")


def main() -> None:
    with tempfile.TemporaryDirectory() as state, running_demo(Path(state)) as demo, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        page = chromium.new_page(viewport={"width": 1120, "height": 850}, device_scale_factor=1.5, color_scheme="light")
        page.goto(demo.home)
        call_and_answer(page, "+1 201 555 0123")
        code_field(page).press_sequentially(code_of_the_call(page)[:4])
        expect(digits_heard(page)).to_have_count(4)
        PICTURE.parent.mkdir(exist_ok=True)
        page.screenshot(path=PICTURE, animations="disabled")
        chromium.close()


if __name__ == "__main__":
    main()
