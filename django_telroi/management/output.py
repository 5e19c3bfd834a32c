"""The base of our commands: their output arrives on terminals that are not UTF-8."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand

from django_telroi.terminal import printable


class PrintableStream:
    """Another stream, to which only text is written that its encoding has."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, getattr(self._stream, "encoding", None)))


class PrintableCommand(BaseCommand):
    """A command whose ``stdout`` and ``stderr`` replace what they cannot write, where Django's raise an error."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        super().__init__(_printable(stdout or sys.stdout), _printable(stderr or sys.stderr), **options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        given = {name: _printable(options[name]) for name in ("stdout", "stderr") if options.get(name)}
        return super().execute(*args, **options | given)


def _printable(stream: TextIO) -> TextIO:
    return cast("TextIO", PrintableStream(stream))
