"""Terminals with a limited encoding: characters that they cannot write are replaced."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command, load_command_class

from django_telroi.backends.console import ConsoleBackend
from django_telroi.domain.phone import mask
from django_telroi.management.output import PrintableCommand
from django_telroi.simulator import Simulator
from django_telroi.terminal import printable
from tests.services.world import NUMBER

COMMANDS = ("call", "doctor", "limits", "purge", "simulator", "sweep", "webhook")
ENCODINGS = ("ascii", "cp437", "latin-1")


def terminal(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)


def written(stream: Any) -> str:
    return str(stream.buffer.getvalue().decode(stream.encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_console_prints_its_code(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(sys, "stdout", terminal(encoding))

    ConsoleBackend().place_call(NUMBER, code_length=6, language=None)

    assert written(sys.stdout).startswith("Telroi would now call +234 803 *** 4567. The code is ")


def test_a_utf_8_terminal_gets_the_number_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal("utf-8"))

    ConsoleBackend().place_call(NUMBER, code_length=6, language=None)

    assert mask(NUMBER) in written(sys.stdout)


@pytest.mark.parametrize(
    ("text", "encoding", "shown"),
    [
        ("+234 803 ••• 4567", "ascii", "+234 803 *** 4567"),
        ("“a” – b…", "ascii", '"a" - b...'),
        ("“a” – b…", "cp1252", "“a” – b…"),
        ("é 漢", "latin-1", "é ?"),
        ("é 漢", "utf-8", "é 漢"),
        ("é 漢", None, "é 漢"),
        ("é", "no such encoding", "?"),
    ],
)
def test_text_is_converted_to_what_a_terminal_can_write(text: str, encoding: str | None, shown: str) -> None:
    assert printable(text, encoding) == shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_uses_the_conversion(name: str) -> None:
    command = load_command_class("django_telroi", f"telroi_{name}")

    assert isinstance(command, PrintableCommand)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_is_ascii(name: str) -> None:
    parser = load_command_class("django_telroi", f"telroi_{name}").create_parser("manage.py", f"telroi_{name}")

    assert parser.format_help().isascii()


class Speaking(PrintableCommand):
    def handle(self, *args: Any, **options: Any) -> str:
        self.stdout.write("••• 4567", ending="")
        self.stdout.write(" –")
        self.stderr.write("…")
        return "é"


CALLS: dict[str, Callable[[Any, Any], object]] = {
    "as options": lambda out, err: call_command(Speaking(), stdout=out, stderr=err),
    "as arguments": lambda out, err: call_command(Speaking(stdout=out, stderr=err)),
}


@pytest.mark.parametrize("run", CALLS.values(), ids=CALLS)
def test_all_output_of_a_command_can_be_written(run: Callable[[Any, Any], object]) -> None:
    out, err = terminal("ascii"), terminal("ascii")

    run(out, err)

    assert (written(out), written(err)) == ("*** 4567 -\n?\n", "...\n")


def test_output_of_a_command_to_the_process_itself_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal("cp437"))
    monkeypatch.setattr(sys, "stderr", terminal("cp437"))

    call_command(Speaking())

    assert written(sys.stdout) == "*** 4567 -\né\n"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_commands_that_print_a_number_work_on_any_terminal(
    telroi: Simulator, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    out = terminal(encoding)
    monkeypatch.setattr("builtins.input", lambda prompt: telroi.last_code_for(NUMBER))

    call_command("telroi_limits", NUMBER, stdout=out)
    call_command("telroi_call", NUMBER, stdout=out)
    with pytest.raises(CommandError, match="moment ago"):
        call_command("telroi_call", NUMBER, stdout=out)

    assert written(out).count("+234 803 *** 4567") == 2


def test_a_command_that_does_not_write_to_a_terminal_replaces_nothing() -> None:
    out = io.StringIO()

    call_command(Speaking(), stdout=out, stderr=io.StringIO())

    assert out.getvalue() == "••• 4567 –\né\n"
