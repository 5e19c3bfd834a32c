"""``telroi_call``: a whole verification in a terminal."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
Types = Callable[..., None]


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Types:
    """The texts typed at the prompt, in order. A function is called when its text is needed."""

    def type_(*lines: str | Callable[[], str] | BaseException) -> None:
        waiting = list(lines)

        def read(prompt: str) -> str:
            line = waiting.pop(0)
            if isinstance(line, BaseException):
                raise line
            return line if isinstance(line, str) else line()

        monkeypatch.setattr(builtins, "input", read)

    return type_


def call(number: str = NUMBER) -> str:
    out = StringIO()
    call_command("telroi_call", number, stdout=out, no_color=True)
    return out.getvalue()


def test_a_right_code_after_wrong_ones_succeeds(telroi: Simulator, types: Types) -> None:
    types("hello", "000000", lambda: telroi.last_code_for(NUMBER))

    said = call().splitlines()

    assert said == [
        "Calling +234 803 ••• 4567 ...",
        "Answer your phone and type the code you hear. It is read twice.",
        "A code has only digits. Type the digits that you hear.",
        "That is not the code. 2 tries left for this call.",
        "Your number is verified.",
    ]
    assert len(telroi.calls) == 1


def test_the_last_wrong_code_ends_the_command(telroi: Simulator, types: Types) -> None:
    types("000000", "000001", "000002")

    with pytest.raises(CommandError, match="Too many wrong codes"):
        call()


@pytest.mark.parametrize("end", [EOFError(), KeyboardInterrupt()])
def test_leaving_the_prompt_cancels_the_attempt(telroi: Simulator, types: Types, end: BaseException) -> None:
    types(end)

    with pytest.raises(CommandError, match=r"^Canceled\.$"):
        call()

    assert VerificationAttempt.objects.get().status == "canceled"


def test_a_refusal_prints_the_reason_and_the_wait(telroi: Simulator, types: Types) -> None:
    types(EOFError())
    with pytest.raises(CommandError):
        call()

    with pytest.raises(CommandError, match=r"We called this number a moment ago\. You can ask .* \(cooldown\)"):
        call()


def test_a_failed_call_prints_an_error(telroi: Simulator, types: Types) -> None:
    telroi.set_wallet(0)

    with pytest.raises(CommandError, match=r"could not be placed.* \(insufficient_funds\)"):
        call()


def test_no_error_shows_the_number_or_the_code(telroi: Simulator, types: Types, configure: Configure) -> None:
    types("000000", "000001", "000002")

    with pytest.raises(CommandError) as failure:
        call()

    assert not {NUMBER, "000002"} & set(repr(failure.value).split())


def test_a_test_key_prints_which_code_is_right(telroi: Simulator, configure: Configure, types: Types) -> None:
    configure(API_KEY=telroi.test_key, ALLOW_TEST_KEY=True)
    types("000000")

    said = call().splitlines()

    assert said[2:] == ["This is a test key: no phone rings. Type 000000.", "Your number is verified."]
    assert telroi.calls == []
