"""The in-memory backend: stores calls in a list, for tests."""

from __future__ import annotations

import secrets
from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import uuid4

from django_telroi.backends.base import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import ApiError

__all__ = ["LocmemBackend", "LocmemCall", "outbox"]


@dataclass(frozen=True)
class LocmemCall:
    """A call that was stored instead of placed.

    ``to``: the number (E.164). ``code``: the code that it reads out. ``wrong_code``: another code of the same length.
    ``language``: the BCP 47 tag that was requested, or None. ``id``: the id that a provider would return.
    """

    to: str = field(repr=False)
    code: str = field(repr=False)
    language: str | None
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def wrong_code(self) -> str:
        return f"{(int(self.code) + 1) % 10 ** len(self.code):0{len(self.code)}d}"


@dataclass
class Failures:
    """The errors that calls and checks raise from now on, None for no error.

    ``rings``: the phone rings although the call raises.
    """

    call: ApiError | None = None
    rings: bool = False
    check: ApiError | None = None

    def clear(self) -> None:
        self.call, self.rings, self.check = None, False, None


outbox: list[LocmemCall] = []
"""The calls of this process, newest last. Clear it between tests."""
failures = Failures()


class LocmemBackend(Backend):
    """Appends each call to ``outbox``, newest last, unless ``failures`` says otherwise."""

    rings: ClassVar[bool] = False

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=asked, expected=asked, is_certain=True)

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        if failures.call and not failures.rings:
            raise copy(failures.call)  # each error has a traceback of its own
        spoken = code or "".join(secrets.choice("0123456789") for _ in range(code_length))
        call = LocmemCall(to=to, code=spoken, language=language)
        outbox.append(call)
        if failures.call:
            raise copy(failures.call)
        return OtpCall(id=call.id, to=to, status="delivered", verification="client" if code else None)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        if failures.check:
            raise copy(failures.check)
        calls = [call for call in outbox if (call.id == call_id if call_id else call.to == to)]
        if not calls:
            return OtpCheck(verified=False, status="not_found")
        return OtpCheck(verified=calls[-1].code == code)
