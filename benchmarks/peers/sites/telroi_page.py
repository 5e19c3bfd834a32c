"""django-telroi: the page of the tutorial. A POST is answered by a redirect; the page after it is not timed."""

from __future__ import annotations

from typing import Any

from posting import Expected, Posting, form_posting, hidden_fields

from sites.telroi_rest import codes_of_calls, fill, settings, urls

__all__ = ["STARTED", "VERIFIED", "check", "fill", "settings", "start", "urls"]

PAGE, CODE_PAGE, DONE_PAGE = "/phone/", "/phone/code/", "/phone/done/"


def start(number: str, address: str) -> Posting:
    return at_number(number, address)[1]


def at_number(number: str, address: str) -> tuple[Any, Posting]:
    """Open the page as a new visitor. Returns the browser and the request that starts the call."""
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    page = browser.get(PAGE).content
    return browser, form_posting(PAGE, hidden_fields(page) | {"number": number}, address, browser)


def check(number: str, address: str) -> Posting:
    browser, posting = at_number(number, address)
    with codes_of_calls() as codes:
        browser.generic("POST", PAGE, posting.body, posting.content_type, HTTP_X_FORWARDED_FOR=address)
    page = browser.get(CODE_PAGE).content
    return form_posting(CODE_PAGE, hidden_fields(page) | {"code": codes[0]}, address, browser)


STARTED, VERIFIED = Expected(302, location=CODE_PAGE), Expected(302, location=DONE_PAGE)
