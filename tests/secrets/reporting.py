"""The report of an error reporter such as Sentry: each frame of an exception, with its local variables.

Reporters ignore Django's ``sensitive_variables``, so a secret value must mask itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import django.test
import rest_framework.test

# The tests, and the test clients that they use.
NOT_THE_SITE = (str(Path(__file__).parents[1]), django.test.__path__[0], str(rest_framework.test.__file__))


def report(error: BaseException | None) -> str:
    """Return the exception, its causes, and the local variables of all frames except those of the tests."""
    return "\n".join(_lines(error))


def _lines(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{type(error).__name__} {error} {error.args!r}"
        yield from _locals(error.__traceback__)
        error = error.__cause__ if error.__suppress_context__ else error.__context__


def _locals(traceback: TracebackType | None) -> Iterator[str]:
    while traceback:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(NOT_THE_SITE):
            for name, value in traceback.tb_frame.f_locals.items():
                yield f"{code.co_filename}:{traceback.tb_lineno} {code.co_qualname} {name} = {_shown(value)}"
        traceback = traceback.tb_next


def _shown(value: object) -> str:
    """Like Sentry: the elements of containers, and the ``repr`` of other values."""
    try:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key!r}: {_shown(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list | tuple | set | frozenset):
            return "[" + ", ".join(map(_shown, value)) + "]"
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a reporter shows what it can
        return f"<unreadable: {type(error).__name__}>"
