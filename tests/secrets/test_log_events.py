"""Every log line of the package is an event. The docs list its name and fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import django_telroi
from django_telroi.client.telroi_client import EVENTS

PACKAGE = Path(django_telroi.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "log_events.rst"
ENTRY = re.compile(r"^\.\. log-event:: (\w+)\n\n   :Level: ([\w, ]+)\n   :Fields: (.*)$", re.MULTILINE)
FIELD = re.compile(r'(\w+)=("?%[sd]"?|\w+)')
# The values of %s in the names of events.
NAMES = {
    "call_%s": ("call_failed", "call_unknown"),
    "phone_%s": ("phone_verified", "phone_number_taken"),
    "%s": tuple(EVENTS.values()),
}


class Line(NamedTuple):
    event: str
    level: str
    fields: tuple[str, ...]


def logged() -> Iterator[Line]:
    """Return the arguments of the package's log calls."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                yield from _lines(node, f"{file.name}:{node.lineno}")


def _lines(call: ast.Call, place: str) -> Iterator[Line]:
    text = call.args[0]
    assert isinstance(text, ast.Constant), f"{place} logs what no test can read"
    assert not call.keywords, f"{place} would log a traceback"
    name, *fields = str(text.value).split()
    assert all(FIELD.fullmatch(field) for field in fields), f"{place} is no event"
    for event in NAMES.get(name, (name,)):
        yield Line(event, ast.unparse(call.func).removeprefix("logger."), tuple(f.partition("=")[0] for f in fields))


def test_the_page_lists_exactly_the_events_with_their_levels_and_fields() -> None:
    entries = ENTRY.findall(PAGE.read_text())
    told = {
        Line(event, level, tuple(re.findall(r"``(\w+)``", fields)))
        for event, levels, fields in entries
        for level in levels.split(", ")
    }

    assert told == set(logged())
    assert len(entries) == len({event for event, *_ in entries})
