"""The questions of a newcomer are answered one click from the front page."""

from __future__ import annotations

import re

import pytest

from tests.docs_blocks import DOCS

FRONT = (DOCS / "index.rst").read_text().partition(".. toctree::")[0]

QUESTIONS = {
    "How do I get a key?": ("tutorial/go_live", "The key needs one scope: ``otp:write``"),
    "What does a call cost?": ("tutorial/go_live", "**Prices.**"),
    "Can I try it without a key?": ("tutorial/first", "You need no key and no phone"),
    "What does held mean?": ("troubleshooting", ":error-code:`held`"),
    "How do I use my own template?": ("howto/look", "templates/telroi/base.html"),
    "How do I set it up behind Cloudflare?": ("howto/proxies", "Behind Cloudflare"),
    "How do people log in by phone?": ("howto/login", "django_telroi.contrib.login"),
    "Why 503?": ("troubleshooting", "The page or the API answers 503"),
    "How do I test my site?": ("howto/tests", "Tests never place a real call"),
    "How do I take over verified numbers?": ("migrating/sms_codes", "Take over verified numbers"),
    "What if Telroi is down?": ("howto/telroi_down", "What still works"),
    "Is it safe to rely on?": ("explanation/security", "What a call proves"),
}


@pytest.mark.parametrize(("page", "answer"), QUESTIONS.values(), ids=QUESTIONS)
def test_the_answer_is_one_click_away(page: str, answer: str) -> None:
    linked = re.findall(r":doc:`([\w/]+)`", FRONT)

    assert page in linked
    assert answer in (DOCS / f"{page}.rst").read_text()
