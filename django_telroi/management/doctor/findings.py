"""The findings of ``telroi_doctor``, one for each line of its output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
FindingFigures: TypeAlias = Mapping[str, str | int | float | bool | None]


class Level(StrEnum):
    """The severity of a finding. Only ``BAD`` makes the command exit with 1."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``says`` is the fact, ``cure`` the solution, ``figures`` the values for ``--json``."""

    subject: str
    level: Level
    says: str
    cure: str = ""
    figures: FindingFigures = field(default_factory=dict)

    def as_json(self) -> JsonValue:
        """Return the finding as values that JSON has."""
        return {each.name: json_value(getattr(self, each.name)) for each in fields(self)}


def json_value(value: object) -> JsonValue:
    """Return a value as one that JSON has: what JSON lacks as text, and an infinite number as None.

    Names of keys, queues and caches come from the site, and may be members of an Enum, bytes or lazy strings.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return value.decode(errors="backslashreplace")
        case Mapping():
            # JSON has only strings as names, and ``default`` of ``json.dumps`` is not called for names.
            return {str(json_value(name)): json_value(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(each) for each in value]
        case _:
            return str(value)


def good(subject: str, says: str, **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.GOOD, says, figures=figures)


def note(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.NOTE, says, cure, figures)


def bad(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.BAD, says, cure, figures)
