"""A function for ``MAY_START``."""

from __future__ import annotations

from django_telroi.services import StartFacts


def never(facts: StartFacts) -> bool:
    return False
