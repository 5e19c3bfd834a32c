"""The in-memory backend: stores calls in a list, for tests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import uuid4

from django_telroi.backends.base import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength


@dataclass(frozen=True)
class LocmemCall:
    """A call that was stored instead of placed."""

    to: str = field(repr=False)
    code: str = field(repr=False)
    language: str | None
    id: str = field(default_factory=lambda: str(uuid4()))


outbox: list[LocmemCall] = []


class LocmemBackend(Backend):
    """Appends each call to ``outbox``, newest last."""

    rings: ClassVar[bool] = False

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=asked, expected=asked, is_certain=True)

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        spoken = code or "".join(secrets.choice("0123456789") for _ in range(code_length))
        call = LocmemCall(to=to, code=spoken, language=language)
        outbox.append(call)
        return OtpCall(id=call.id, to=to, status="delivered", verification="client" if code else None)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        calls = [call for call in outbox if (call.id == call_id if call_id else call.to == to)]
        if not calls:
            return OtpCheck(verified=False, status="not_found")
        return OtpCheck(verified=calls[-1].code == code)
