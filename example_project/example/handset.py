"""What the handset may hear: the newest call to the number that this visitor is verifying."""

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

# The simulator is on this machine; a proxy of the environment has no say in it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Call:
    """A call as the simulator placed it."""

    id: str
    to: str
    code: str
    language: str
    at: datetime


def where_calls_go(request: HttpRequest) -> dict[str, str]:
    """A context processor, for every page with a handset: ``sandbox`` is Telroi with a test key, which rings nobody."""
    if settings.SIMULATOR_URL:
        return {"calls": "simulator"}
    if key := conf.api_key():
        return {"calls": "sandbox" if key.startswith("tlr_test_") else "telroi"}
    return {"calls": "console"}


def call_for(attempt: VerificationAttempt | None) -> Call | None:
    """The newest call to the attempt's number, as long as its code may still be typed."""
    if attempt is None or attempt.status not in CHECKABLE:
        return None
    calls = [call for call in placed_calls() if call.to == attempt.number]
    return calls[-1] if calls else None


def placed_calls() -> list[Call]:
    """All calls that the simulator placed, newest last; none where it does not answer."""
    try:
        with OPENER.open(f"{settings.SIMULATOR_URL}/_simulator/calls", timeout=5) as reply:
            return [_call(call) for call in json.load(reply)["calls"]]
    except OSError:
        return []


def _call(call: dict[str, str]) -> Call:
    return Call(
        id=call["id"],
        to=call["to"],
        code=call["code"],
        language=call["language"] or "",
        at=datetime.fromisoformat(call["at"]),
    )
