"""A Telroi backend that runs a test's function before a request and after its answer."""

from __future__ import annotations

from collections.abc import Callable

from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall, OtpCheck

HOOKED = "tests.outages.backend.HookedBackend"

Act = Callable[[], None]


class Hooks:
    """The functions that run before a request is sent, and before its answer is used."""

    def __init__(self) -> None:
        self.before: Act | None = None
        self.after: Act | None = None


hooks = Hooks()


class HookedBackend(TelroiBackend):
    """Telroi on a real socket, with the hooks of the test."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        _act(hooks.before)
        call = super().place_call(to, code_length=code_length, language=language, code=code)
        _act(hooks.after)
        return call

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        _act(hooks.before)
        check = super().check_code(code, call_id=call_id, to=to)
        _act(hooks.after)
        return check


def _act(act: Act | None) -> None:
    if act:
        act()
