"""The script of the recipe for Turnstile, with a double of Cloudflare's script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.project.test_howto import blocks_of

pytestmark = pytest.mark.browser

DOUBLE = """
    document.body.innerHTML = '<div class="cf-turnstile"></div>';
    window.turnstile = { render: (each) => { each.textContent = "widget"; } };
"""


def test_each_widget_is_rendered_once_also_one_that_appears_later(chromium: Browser) -> None:
    [script] = blocks_of("recipes.rst", "javascript")
    page = chromium.new_page()
    page.add_script_tag(content=DOUBLE)
    page.add_script_tag(content=script)

    page.evaluate("renderTurnstile()")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p><span class=\"cf-turnstile\"></span></p>')")

    page.locator("span", has_text="widget").wait_for()
    assert page.locator(".cf-turnstile").all_text_contents() == ["widget", "widget"]
    page.close()
