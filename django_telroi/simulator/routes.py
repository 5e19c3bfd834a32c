"""The table of the endpoints outside OTP: scope, validation of the body, and the responses to test and live keys.

Nothing is stored, no call is placed and no speech is made. The responses were recorded, except those to a valid body
with a live key. Those requests cost money or need a vendor, so the response is that of a workspace without both.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django_telroi.simulator.accounts import Workspace, iso
from django_telroi.simulator.otp_requests import is_absent_or, is_text, utf16_length
from django_telroi.simulator.responses import JSON, Answer, Refusal, compact

BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
KNOWLEDGE = re.compile(r"/v1/agents/([^/]+)/knowledge")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Telroi accepts any scheme here, not only http.
URL = re.compile(r"[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE)
MAX_CONTACTS = 1000
MAX_SPEECH_LENGTH = 5000
NO_SPEECH = "Telroi speech engine not configured (set TELROI_SPEECH_URL or choose an external TTS vendor)."

Body = Any
Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """One endpoint.

    ``message`` is the text of the 400 for an invalid body. ``simulated`` and ``live`` return the responses to a test
    key and to a live key.
    """

    scope: str
    fits: Callable[[Body], bool]
    message: str
    simulated: Callable[[Body, float], Payload]
    live: Callable[[Body, float], Payload]

    def answer(self, body: Body, *, is_test: bool, now: float) -> Payload:
        """Return the body of the response. Raises Refusal."""
        if not self.fits(body):
            raise Refusal(400, "invalid", self.message)
        return (self.simulated if is_test else self.live)(body, now)


def knowledge_of(workspace: Workspace, agent_id: str) -> Payload:
    """Return the list of an agent's documents, which is empty. Raises Refusal for an unknown agent."""
    if not any(agent.get("id") == agent_id for agent in workspace.lists.get("agents", [])):
        raise Refusal(404, "not_found", "agent not found")
    return {"object": "list", "data": []}


def sandbox_id(kind: str, *, length: int) -> str:
    """Return an id for a test key. Its end is a random number in base 36, so it may have fewer digits."""
    return f"{kind}_test_" + "".join(secrets.choice(BASE_36) for _ in range(length)).rstrip("0")


def published(path: str) -> Answer:
    """Return a public document. It needs no key and can be read by pages of other sites."""
    headers, body = PUBLISHED[path]
    return Answer(200, (*headers, ("access-control-allow-origin", "*")), compact(body))


def _has_text(body: Body, name: str, *, least: int, most: int | None = None) -> bool:
    """Whether the body is an object with this text. Lengths are in UTF-16 units, as in JavaScript."""
    value = body.get(name) if isinstance(body, dict) else None
    return isinstance(value, str) and least <= utf16_length(value) <= (most or utf16_length(value))


def _are_texts_or_absent(body: Mapping[str, Any], *names: str) -> bool:
    return all(is_absent_or(body, name, is_text) for name in names)


def _is_call(body: Body) -> bool:
    return _has_text(body, "phone", least=3) and _are_texts_or_absent(body, "from", "user", "group")


def _is_contact(body: Body) -> bool:
    return (
        _has_text(body, "phone", least=4)
        and _are_texts_or_absent(body, "name", "company", "city", "region", "country")
        and is_absent_or(body, "email", lambda email: is_text(email) and EMAIL.fullmatch(email) is not None)
    )


def _is_contact_or_list(body: Body) -> bool:
    if isinstance(body, list):
        return len(body) <= MAX_CONTACTS and all(map(_is_contact, body))
    return _is_contact(body)


def _is_van(body: Body) -> bool:
    return _has_text(body, "name", least=1) and _has_text(body, "telnum", least=3)


def _is_speech(body: Body) -> bool:
    return (
        _has_text(body, "text", least=1, most=MAX_SPEECH_LENGTH)
        and _are_texts_or_absent(body, "voice", "language")
        and is_absent_or(body, "format", lambda name: name in ("mp3", "wav", "ogg"))
    )


def _is_audio(body: Body) -> bool:
    return (
        isinstance(body, dict)
        and bool(body.get("audio_url") or body.get("audio_base64"))
        and is_absent_or(body, "audio_url", lambda url: is_text(url) and URL.fullmatch(url) is not None)
        and _are_texts_or_absent(body, "audio_base64", "language")
    )


def _refusing(status: int, code: str, message: str) -> Callable[[Body, float], Payload]:
    def refuse(body: Body, now: float) -> Payload:
        raise Refusal(status, code, message)

    return refuse


def _simulated_call(body: Body, now: float) -> Payload:
    call = {"id": sandbox_id("call", length=10), "phone": body["phone"], "from": body.get("from") or None}
    return {"object": "call", "simulated": True, "livemode": False, **call, "status": "queued", "created": iso(now)}


def _ingest(body: Body, now: float) -> Payload:
    # Test and live keys get the same response: it does not show that a test key stores nothing.
    return {"object": "list", "ingested": len(body) if isinstance(body, list) else 1}


def _simulated_speech(body: Body, now: float) -> Payload:
    result = {"id": sandbox_id("tts", length=8), "status": "done", "format": body.get("format", "mp3")}
    url = "https://sandbox.telroi.ai/speech/sample.mp3"
    return {"object": "speech", "simulated": True, "livemode": False, **result, "url": url}


def _simulated_transcription(body: Body, now: float) -> Payload:
    result = {"id": sandbox_id("stt", length=8), "status": "done", "transcript": "This is a sandbox transcription."}
    return {"object": "transcription", "simulated": True, "livemode": False, **result}


def _van(body: Body, now: float) -> Payload:
    return {"object": "van", "name": body["name"], "telnum": body["telnum"], "createdAt": iso(now)}


ROUTES: Mapping[str, Route] = {
    "/v1/calls": Route(
        "calls:write",
        _is_call,
        "phone is required",
        _simulated_call,
        # A workspace without voice channels.
        _refusing(409, "", "Server Error"),
    ),
    "/v1/contacts": Route(
        "contacts:write",
        _is_contact_or_list,
        "Provide a contact or an array of contacts (max 1000)",
        _ingest,
        _ingest,
    ),
    "/v1/vans": Route("vans:write", _is_van, "name and telnum required", _van, _van),
    "/v1/speech/tts": Route(
        "speech:write",
        _is_speech,
        "text is required (max 5000 chars)",
        _simulated_speech,
        _refusing(502, "speech_failed", NO_SPEECH),
    ),
    "/v1/speech/stt": Route(
        "speech:write",
        _is_audio,
        "audio_url or audio_base64 is required",
        _simulated_transcription,
        _refusing(502, "speech_failed", NO_SPEECH),
    ),
}

# Only the recorded beginning of each document, closed so that it is valid JSON.
PUBLISHED: Mapping[str, tuple[tuple[tuple[str, str], ...], Mapping[str, Any]]] = {
    "/api/openapi.json": (
        (("content-type", f"{JSON}; charset=utf-8"),),
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Telroi API",
                "version": "v1",
                "description": (
                    "Build voice, messaging and CRM features on Telroi. One REST API over the same infrastructure that "
                    "powers the Telroi dashboard: place and track calls, manage numbers and AI agents, deliver voice "
                    "one-time-passcodes, synthesize and transcribe speech, and sync contacts.\n\n## Authentication\n"
                    "Authenticate every request with a secret API key in the Authorization header."
                ),
            },
            "paths": {},
        },
    ),
    "/public/pricing": (
        (("content-type", JSON), ("cache-control", "public, max-age=60")),
        {
            "object": "pricing",
            "units": "Minor units — usdMinor is cents, ngnMinor is kobo. Nano fields are billionths.",
            "ngnPerUsd": 1600,
            "plans": {
                "startup": {"usdMinor": 1000, "ngnMinor": 1600000},
                "growth": {"usdMinor": 1500, "ngnMinor": 2400000},
                "annual": {
                    "startup": {"usdMinor": 10000, "ngnMinor": 16000000},
                    "growth": {"usdMinor": 15000, "ngnMinor": 24000000},
                    "savePctStartup": 16,
                    "savePctGrowth": 16,
                    "monthsFreeStartup": 2,
                    "monthsFreeGrowth": 2,
                },
            },
        },
    ),
}
