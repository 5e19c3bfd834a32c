"""What was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Statistics: TypeAlias = Mapping[str, str | int | float | bool | None]


class Level(StrEnum):
    """How it stands. Only what is bad fails the command."""

    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``figures`` is the same for machines."""

    subject: str
    level: Level
    says: str
    cure: str = ""
    figures: Statistics = field(default_factory=dict)


def good(subject: str, says: str, **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.GOOD, says, figures=figures)


def note(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.NOTE, says, cure, figures)


def bad(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.BAD, says, cure, figures)
