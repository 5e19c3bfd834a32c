"""Arguments of another type than a service takes are told by name, before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from inspect import Parameter, signature
from types import NoneType
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

P = ParamSpec("P")
T = TypeVar("T")

TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, NoneType),
    "UUID | None": (UUID, NoneType),
    "UUID | str": (UUID, str),
    "timedelta | None": (timedelta, NoneType),
    "datetime | None": (datetime, NoneType),
}
"""By the annotation as it is written: the signature of a service is its rule."""

USERS = ("AbstractBaseUser", "AbstractBaseUser | None")


def typed_arguments(function: Callable[P, T]) -> Callable[P, T]:
    """Raise TypeError for an argument that is not of the type in the signature; its value is not shown.

    To stand above ``sensitive_variables``, which hides the frame directly below its own, and below
    ``quiet_arguments``. A user is whatever has ``is_authenticated``: tokens bring users that are no rows.
    """
    parameters = list(signature(function).parameters.values())
    by_name = {parameter.name: parameter for parameter in parameters}

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for parameter, value in zip(parameters, args, strict=False):
            _refuse_wrong_type(function.__name__, parameter, value)
        for name, value in kwargs.items():
            if name in by_name:
                _refuse_wrong_type(function.__name__, by_name[name], value)
        return function(*args, **kwargs)

    return call


def _refuse_wrong_type(function: str, parameter: Parameter, value: Any) -> None:
    wanted = str(parameter.annotation)
    if wanted in USERS:
        fits = hasattr(value, "is_authenticated") or (value is None and "None" in wanted)
        wanted = wanted.replace("AbstractBaseUser", "a user")
    else:
        fits = wanted not in TYPES or isinstance(value, TYPES[wanted])
    if not fits:
        raise TypeError(f"{function}(): {parameter.name} must be {wanted}, not {type(value).__name__}.")
