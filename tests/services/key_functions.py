"""Functions that settings name by their dotted paths."""

from __future__ import annotations

from django_telroi.services import KeyFacts


def always_ben(facts: KeyFacts) -> str:
    return "ben"


def secrets() -> dict[str, list[str]]:
    return {"ben": ["whsec_ben"]}
