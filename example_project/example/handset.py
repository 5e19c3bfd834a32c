"""The call for the handset: the newest call to the number that this visitor is verifying."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE
from django_telroi.models import VerificationAttempt

# Ignores a proxy from the environment, because the simulator is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


SPOKEN = {
    "ar": ("رمزك هو", "مرة أخرى، رمزك هو"),
    "de": ("Ihr Code ist", "Noch einmal, Ihr Code ist"),
    "en": ("Your code is", "Again, your code is"),
    "es": ("Su código es", "De nuevo, su código es"),
    "fr": ("Votre code est", "Encore une fois, votre code est"),
    "pt": ("Seu código é", "Mais uma vez, seu código é"),
}
"""The words before the code, the first and the second time. Telroi chooses its own."""
OTHERWISE = "en-US"
"""The language of a call without a language of ``SPOKEN``."""


@dataclass(frozen=True)
class Call:
    """A call of the simulator. ``language``: the BCP 47 tag that the site asked for, or ``""``."""

    id: str
    to: str
    code: str
    language: str
    at: datetime

    @property
    def spoken_language(self) -> str:
        """The language in which the handset reads out the code."""
        return self.language if _base(self.language) in SPOKEN else OTHERWISE

    @property
    def says(self) -> tuple[str, str]:
        return SPOKEN[_base(self.spoken_language)]


def where_calls_go(request: HttpRequest) -> dict[str, str]:
    """Context processor for pages with a handset. ``sandbox`` is Telroi with a test key: no phone rings."""
    if settings.SIMULATOR_URL:
        return {"calls": "simulator"}
    if key := conf.api_key():
        return {"calls": "sandbox" if key.startswith("tlr_test_") else "telroi"}
    return {"calls": "console"}


def call_for(attempt: VerificationAttempt | None) -> Call | None:
    """Return the newest call to the attempt's number. None if the attempt takes no code."""
    if attempt is None or attempt.status not in CHECKABLE:
        return None
    calls = [call for call in placed_calls() if call.to == attempt.number]
    return calls[-1] if calls else None


def placed_calls() -> list[Call]:
    """Return all calls of the simulator, newest last. Returns none if the simulator does not respond."""
    try:
        with OPENER.open(f"{settings.SIMULATOR_URL}/_simulator/calls", timeout=5) as reply:
            return [_call(call) for call in json.load(reply)["calls"]]
    except OSError:
        return []  # the handset stays silent, and the page still works


def _base(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _call(call: dict[str, str]) -> Call:
    return Call(
        id=call["id"],
        to=call["to"],
        code=call["code"],
        language=call["language"] or "",
        at=datetime.fromisoformat(call["at"]),
    )
