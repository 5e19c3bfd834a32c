"""Checks of the class that ``BACKEND`` names: its methods and its constructor. They send no request."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.backends import Backend, chosen_class, is_own_backend, uses_telroi
from django_telroi.errors import Misconfigured

CALLS: Mapping[str, tuple[tuple[object, ...], Mapping[str, object]]] = {
    "place_call": (("+2348031234567",), {"code_length": 6, "language": None, "code": "123456"}),
    "check_code": (("123456",), {"call_id": None, "to": "+2348031234567"}),
    "judges_by_id": (("id",), {}),
    "admit_call": ((), {}),
    "return_call": ((), {}),
    "admit_check": ((), {}),
    "spoken_length": ((6,), {}),
    "provider_url": ((), {}),
    "for_key": (("shop",), {}),
}
"""The arguments that each method is called with: positional, keyword."""

CALLED_ON_THE_CLASS = frozenset({"spoken_length", "provider_url", "for_key"})


def check_backend() -> Iterator[CheckMessage]:
    """Yield an error for each method that is missing or has other parameters, then check the constructor."""
    kind = chosen_class()
    if not issubclass(kind, Backend):
        return  # check_calls reports it as telroi.E009
    # One problem at a time: an abstract class has no constructor to try, and its methods are those of the base class.
    if missing := sorted(getattr(kind, "__abstractmethods__", ())):
        yield Error(
            f"{conf.backend_path()} does not define {' and '.join(missing)}, so no call can be placed.",
            hint="Define the method as in the documentation of backends.",
            id="telroi.E016",
        )
        return
    misfits = [name for name, (args, named) in CALLS.items() if not _accepts(kind, name, args, named)]
    for name in misfits:
        yield Error(
            f"{name} of {conf.backend_path()} does not accept the arguments that it is called with.",
            hint=f"Define it with the parameters {str(signature_of(getattr(Backend, name))).partition(' ->')[0]}.",
            id="telroi.E017",
        )
    if conf.has_named_keys() and uses_telroi() and not _accepts(kind, "__init__", ("shop",), {}):
        yield Error(
            f"The constructor of {conf.backend_path()} does not accept the name of a key, so API_KEYS cannot be used.",
            hint="Define it with the parameter key_name, and give that to the constructor of TelroiBackend.",
            id="telroi.E017",
        )
    # Our own backends raise Misconfigured without a key, which check_key reports.
    if is_own_backend() and not misfits:
        yield from _constructor(kind)


def _accepts(kind: type, name: str, args: tuple[object, ...], named: Mapping[str, object]) -> bool:
    """Return True if the method accepts these arguments, or if Python cannot read its signature."""
    # The signature is read from the class, because an instance may need settings that are missing. A plain method then
    # has its ``self``, for which None stands in.
    takes_self = name not in CALLED_ON_THE_CLASS and not isinstance(
        inspect.getattr_static(kind, name), classmethod | staticmethod
    )
    method = getattr(kind, name)
    try:
        signature = signature_of(method)
    except (TypeError, ValueError):
        return callable(method)
    try:
        signature.bind(*([None] if takes_self else []), *args, **named)
    except TypeError:
        return False
    return True


def signature_of(function: Any) -> inspect.Signature:
    """Return the signature, also if annotations name types that only a type checker imports.

    Raises TypeError or ValueError if Python cannot read it. From Python 3.14 on, annotations are evaluated when they
    are read, and such a name would raise NameError.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, annotation_format=Format.FORWARDREF)
    return inspect.signature(function)


def _constructor(kind: type) -> Iterator[CheckMessage]:
    """Create an instance, as each request does. The documentation forbids a constructor to send requests."""
    try:
        kind()
    except Misconfigured:
        yield checks.Warning(
            f"The constructor of {conf.backend_path()} raised Misconfigured, so no call can be placed.",
            hint="Complete the settings that it reads.",
            id="telroi.W019",
        )
    except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
        yield Error(
            f"The constructor of {conf.backend_path()} raised {type(error).__name__}, so no call can be placed.",
            hint="It is called without arguments. If a setting is missing, raise django_telroi.errors.Misconfigured.",
            id="telroi.E018",
        )
