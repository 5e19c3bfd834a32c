"""The system checks report an unusable backend of the project."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import CheckMessage, Tags, run_checks

from django_telroi.backends import Backend
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.errors import Misconfigured


class Whole(Backend):
    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        raise AssertionError("a check never calls a phone")

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        raise AssertionError("a check judges no code")


class TakesAnything(Whole):
    def place_call(self, *args: Any, **named: Any) -> OtpCall:
        raise AssertionError

    @staticmethod
    def judges_by_id(call_id: str) -> bool:
        return True


class WithoutCheck(Backend):
    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        raise AssertionError


class WithoutLanguage(Whole):
    def place_call(self, to: str, *, code_length: int) -> OtpCall:  # type: ignore[override]
        raise AssertionError


class WantsTheNumberFirst(Whole):
    def check_code(self, to: str, code: str, call_id: str | None) -> OtpCheck:  # type: ignore[override]
        raise AssertionError


class LengthOfAnInstance(Whole):
    def spoken_length(self, asked: int) -> Any:  # type: ignore[override]
        raise AssertionError


class SlotIsNoMethod(Whole):
    admit_call = None  # type: ignore[assignment]


class WantsAToken(Whole):
    def __init__(self, token: str) -> None:
        raise AssertionError


class Crashes(Whole):
    def __init__(self) -> None:
        raise KeyError("CARRIER_TOKEN")


class Unfinished(Whole):
    def __init__(self) -> None:
        raise Misconfigured


class OddTelroi(TelroiBackend):
    def check_code(self, code: str) -> OtpCheck:  # type: ignore[override]
        raise AssertionError


@pytest.fixture(autouse=True)
def _outside_of_tests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("TELROI_API_KEY", "tlr_live_Canary0Key0Canary0Key0Canary")
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    settings.DEBUG = False


def found(settings: Any, backend: type) -> list[CheckMessage]:
    settings.TELROI = {"BACKEND": f"{__name__}.{backend.__name__}"}
    return [message for message in run_checks(tags=[Tags.security]) if (message.id or "").startswith("telroi.")]


@pytest.mark.parametrize(
    ("backend", "message", "says"),
    [
        (WithoutCheck, "telroi.E016", "does not define check_code"),
        (WithoutLanguage, "telroi.E017", "place_call of"),
        (WantsTheNumberFirst, "telroi.E017", "check_code of"),
        (LengthOfAnInstance, "telroi.E017", "spoken_length of"),
        (SlotIsNoMethod, "telroi.E017", "admit_call of"),
        (OddTelroi, "telroi.E017", "check_code of"),
        (WantsAToken, "telroi.E018", "raised TypeError"),
        (Crashes, "telroi.E018", "raised KeyError"),
        (Unfinished, "telroi.W019", "raised Misconfigured"),
    ],
)
def test_an_invalid_backend_is_named(settings: Any, backend: type, message: str, says: str) -> None:
    [one] = found(settings, backend)

    assert one.id == message
    assert says in one.msg
    assert backend.__name__ in one.msg
    assert "CARRIER_TOKEN" not in f"{one.msg} {one.hint}"


@pytest.mark.parametrize("backend", [Whole, TakesAnything])
def test_a_valid_backend_has_no_message(settings: Any, backend: type) -> None:
    assert found(settings, backend) == []


def test_the_hint_shows_the_parameters(settings: Any) -> None:
    [one] = found(settings, WithoutLanguage)

    assert one.hint is not None
    assert "code_length: 'int', language: 'str | None'" in one.hint


TYPED_FOR_CHECKERS = """
from typing import TYPE_CHECKING

from tests.checks.test_backend_checks import Whole

if TYPE_CHECKING:
    from bank.numbers import Number


class TypedForCheckers(Whole):
    def place_call(self, to: Number, *, code_length: int, language: str | None, code: str | None = None):
        raise AssertionError


class WithoutLanguageTyped(Whole):
    def place_call(self, to: Number, *, code_length: int):
        raise AssertionError
"""


def test_types_that_only_a_type_checker_imports_are_not_needed_to_check_a_method(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """From Python 3.14 on, a module needs no ``from __future__`` for such annotations."""
    module = ModuleType("bank_backend")
    future = "" if sys.version_info >= (3, 14) else "from __future__ import annotations\n"
    exec(compile(future + TYPED_FOR_CHECKERS, "bank_backend.py", "exec", dont_inherit=True), vars(module))
    monkeypatch.setitem(sys.modules, "bank_backend", module)

    settings.TELROI = {"BACKEND": "bank_backend.TypedForCheckers"}
    assert "telroi.E017" not in {message.id for message in run_checks(tags=[Tags.security])}

    settings.TELROI = {"BACKEND": "bank_backend.WithoutLanguageTyped"}
    assert "telroi.E017" in {message.id for message in run_checks(tags=[Tags.security])}
