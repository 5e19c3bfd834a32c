"""Secrets that a traceback with local variables, a debugger or a log of reprs does not show.

They are what they hold in every other respect, so that whoever needs the text has it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MASK = "'•••'"


class Secret(str):
    """Text whose repr is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def kind_of(error: BaseException) -> str:
    """The class of an error, and the name of a module that is missing: ``ModuleNotFoundError(redis)``.

    Never the text of the error, which may contain the password of a broker's URL, or a number.
    """
    kind, module = type(error).__name__, getattr(error, "name", None)
    is_module = isinstance(error, ImportError) and isinstance(module, str)
    return f"{kind}({module})" if is_module and all(map(str.isidentifier, str(module).split("."))) else kind


def as_secret(text: T) -> T | Secret:
    """Text, quiet from here on; anything else as it is, for whoever judges it."""
    return Secret(text) if isinstance(text, str) else text


class SecretBytes(bytes):
    """Bytes whose repr is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def redact_arguments(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make these arguments quiet before the function sees them.

    To be the outermost decorator: an error reporter shows the frames of those below it with all they were given, and
    most reporters do not know Django's ``sensitive_variables``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        places = {place for place, name in enumerate(signature(function).parameters) if name in names}

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            args = tuple(as_secret(value) if place in places else value for place, value in enumerate(args))  # type: ignore[assignment]
            kwargs = {name: as_secret(value) if name in names else value for name, value in kwargs.items()}  # type: ignore[assignment]
            return function(*args, **kwargs)

        return call

    return decorate
