"""Text and bytes whose repr is masked, so that tracebacks with local variables, debuggers and logs do not show them.

In every other respect they equal the text or bytes that they hold.
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
    """Text whose repr is masked.

    A subclass and not a wrapper, so that every library accepts it as text. Only ``repr`` is masked, because tracebacks,
    debuggers and error reports use it. ``str``, formatting and slices return ordinary text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def kind_of(error: BaseException) -> str:
    """Return the class of an error, and the name of a missing module: ``ModuleNotFoundError(redis)``.

    The text of the error is left out. It may contain a number, or the password of a broker's URL.
    """
    kind, module = type(error).__name__, getattr(error, "name", None)
    is_module = isinstance(error, ImportError) and isinstance(module, str)
    return f"{kind}({module})" if is_module and all(map(str.isidentifier, str(module).split("."))) else kind


def as_secret(text: T) -> T | Secret:
    """Return text as a Secret. Return any other value unchanged; the called function validates it."""
    return Secret(text) if isinstance(text, str) else text


class SecretBytes(bytes):
    """Bytes whose repr is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def _masked(value: object) -> object:
    """Return text as a Secret, and a number or bytes as a number or bytes with a masked repr.

    A caller may pass a code as a number by mistake. The service refuses it, and the error's frames show the value.
    """
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, int | float | bytes) and not isinstance(value, bool):
        kind = type(value)
        # ``__str__`` too: that of a number calls ``__repr__``, and another package reads the code from it.
        return type(kind.__name__, (kind,), {"__repr__": lambda self: MASK, "__str__": kind.__repr__})(value)
    return value


def redact_arguments(*names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Convert the named text arguments to Secret before the function is called.

    It must be the outermost decorator: an error reporter shows the frames of inner decorators with all their arguments,
    and most reporters ignore Django's ``sensitive_variables``.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        places = {place for place, name in enumerate(signature(function).parameters) if name in names}

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            args = tuple(_masked(value) if place in places else value for place, value in enumerate(args))  # type: ignore[assignment]
            kwargs = {name: _masked(value) if name in names else value for name, value in kwargs.items()}  # type: ignore[assignment]
            return function(*args, **kwargs)

        return call

    return decorate
