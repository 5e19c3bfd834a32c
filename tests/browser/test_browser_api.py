"""The JavaScript client of the docs, in a page of the site that the docs describe."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.project.test_howto import blocks_of
from tests.rest.docs_site import served_docs_site
from tests.rest.world import NUMBER

pytestmark = pytest.mark.browser


def test_the_javascript_client_gets_from_a_number_to_an_account(chromium: Browser, tmp_path: Path) -> None:
    [client] = blocks_of("rest.rst", "javascript")
    heard: list[str] = []

    with served_docs_site(tmp_path) as site:

        def ask_for_code(sentence: str) -> str:
            heard.append(sentence)
            return "12" if len(heard) == 1 else site.next_code()

        page = chromium.new_page()
        page.goto(site.address)
        page.expose_function("askForCode", ask_for_code)
        page.add_script_tag(content=client)
        answer = page.evaluate("number => signUp('carla', number, askForCode)", NUMBER)
        too_soon = page.evaluate("number => signUp('dora', number, askForCode).catch(String)", NUMBER)
        page.close()

    assert answer == {"username": "carla"}
    assert heard[1] == "The code has six digits. Type the digits that you hear."
    assert too_soon.startswith("Error: We called this number a moment ago.")
