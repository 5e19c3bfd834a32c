"""The page "Troubleshooting" has every code, and the runbook's commands and quotations are those of the code."""

from __future__ import annotations

import re
import shlex
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

import django_telroi
from django_telroi import services
from django_telroi.testing import outbox
from tests.docs_blocks import DOCS, blocks_of_page

TROUBLES = (DOCS / "troubleshooting.rst").read_text()
REFERENCE = (DOCS / "reference" / "error_codes.rst").read_text()
RUNBOOK = "howto/telroi_down.rst"
KINDS = {"error-code": set(), "outcome": {"verified", "unavailable"}, "attempt-error": set()}
"""The directives of the reference, with the names that are not listed: a success, and one that is in another table."""


@pytest.mark.parametrize("kind", KINDS)
def test_each_code_of_the_reference_is_on_the_page_once(kind: str) -> None:
    documented = set(re.findall(rf"^\.\. {kind}:: (\w+)$", REFERENCE, re.MULTILINE))
    listed = re.findall(rf"^   \* - :{kind}:`(\w+)`$", TROUBLES, re.MULTILINE)

    same_in_another_table = {"number_taken"} if kind == "error-code" else set()
    assert set(listed) == documented - KINDS[kind] - same_in_another_table
    assert len(listed) == len(set(listed))


def test_each_log_event_on_the_page_exists() -> None:
    events = (DOCS / "reference" / "log_events.rst").read_text()
    named = re.findall(r"Look for (.+?) in the log", " ".join(TROUBLES.split()))[0]

    assert [name for name in re.findall(r"``(\w+)``", named) if name not in events] == []


@pytest.mark.django_db
def test_the_commands_of_the_runbook_stop_and_resume_calls() -> None:
    outbox.clear()
    stop, resume = [
        re.search(r"^\$ python manage\.py (telroi_stop .*)\n(.*)", block.body, re.MULTILINE)
        for block in blocks_of_page(RUNBOOK)
        if "telroi_stop" in block.body
    ]
    assert stop
    assert resume

    assert _printed_by(stop[1]) == f"{stop[2]}\n"
    stopped = services.call_control().stopped_reason
    assert _printed_by(resume[1]) == f"{resume[2]}\n"

    assert stopped == "Telroi is down"
    assert services.call_control().stopped_at is None


def _printed_by(command: str) -> str:
    out = StringIO()
    call_command(*shlex.split(command), stdout=out)
    return out.getvalue()


def test_the_doctor_says_what_the_runbook_quotes() -> None:
    folder = Path(django_telroi.__file__).parent / "management" / "doctor"
    source = "".join(file.read_text() for file in folder.glob("*.py"))
    table = (
        (DOCS / RUNBOOK).read_text().partition("``telroi_doctor`` says\n")[2].partition("The overview in the admin")[0]
    )
    quoted = re.findall(r"\*([A-Z][^*]+?)\.?\*", "\n".join(re.findall(r"^   \* - (.*)$", table, re.MULTILINE)))

    assert len(quoted) >= 4
    assert [text for text in quoted if text not in source] == []
