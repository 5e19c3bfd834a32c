"""The base class of our commands. Their output also works on terminals without UTF-8."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast

from django.core.management.base import BaseCommand

from django_telroi.terminal import printable


class PrintableStream:
    """A wrapper that replaces characters which the encoding of the wrapped stream does not have."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, getattr(self._stream, "encoding", None)))


class PrintableCommand(BaseCommand):
    """A command whose output replaces characters that cannot be encoded. Django's would raise UnicodeEncodeError."""

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        super().__init__(_printable(stdout or sys.stdout), _printable(stderr or sys.stderr), **options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        wrapped = {name: _printable(options[name]) for name in ("stdout", "stderr") if options.get(name)}
        return super().execute(*args, **options | wrapped)


def _printable(stream: TextIO) -> TextIO:
    return cast("TextIO", PrintableStream(stream))
