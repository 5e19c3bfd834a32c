"""The findings of ``telroi_doctor``, one for each line of its output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

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


def good(subject: str, says: str, **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.GOOD, says, figures=figures)


def note(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.NOTE, says, cure, figures)


def bad(subject: str, says: str, cure: str = "", **figures: str | int | float | bool | None) -> Finding:
    return Finding(subject, Level.BAD, says, cure, figures)
