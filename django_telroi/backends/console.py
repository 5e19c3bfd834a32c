"""The console backend: prints the code instead of placing a call, for development without a key."""

from __future__ import annotations

import re
import sys
from typing import ClassVar
from uuid import uuid4

from django.utils.crypto import constant_time_compare, salted_hmac

from django_telroi.backends.base import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.phone import mask
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.terminal import printable

__all__ = ["ConsoleBackend"]

_CALL_ID = re.compile(r"[0-9a-f-]{36}-(?P<length>[0-9]{1,2})")


class ConsoleBackend(Backend):
    """Writes the code to standard output.

    It stores nothing. The code is computed from the call's id and ``SECRET_KEY``, so a worker can place the call and a
    web process can check the code.
    """

    rings: ClassVar[bool] = False

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        return CodeLength(longest=asked, expected=asked, is_certain=True)

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call_id = f"{uuid4()}-{code_length}"
        # The number is masked as in every log, because a server's standard output usually is one.
        spoken = code or _code_of(call_id)
        line = f"Telroi would now call {mask(to)}. The code is {spoken}.\n"
        sys.stdout.write(printable(line, getattr(sys.stdout, "encoding", None)))
        sys.stdout.flush()
        return OtpCall(id=call_id, to=to, status="delivered", verification="client" if code else None)

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        right = call_id is not None and constant_time_compare(code, _code_of(call_id))
        return OtpCheck(verified=right)


def _code_of(call_id: str) -> str:
    """Return the code of a call, or ``""`` for an id of another backend.

    The id ends with the length of its code, because ``CODE_LENGTH`` may change before the code is checked.
    """
    found = _CALL_ID.fullmatch(call_id)
    if found is None:
        return ""
    length = int(found["length"])
    digest = salted_hmac("django_telroi.console", call_id, algorithm="sha256").digest()
    return f"{int.from_bytes(digest, 'big') % 10**length:0{length}d}"
