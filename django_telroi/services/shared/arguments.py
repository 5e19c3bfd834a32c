"""Checking what callers pass in: types, users, texts and phone numbers, before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache, wraps
from inspect import Parameter, signature
from types import NoneType
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import connections
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import LineType, Phone, parse_phone, written_e164
from django_telroi.errors import InvalidNumber, UnstorableText, UserNotFound
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments

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
    ``redact_arguments``. A user is whatever has ``is_authenticated``: tokens bring users that are no rows.
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


def owner_id(user: AbstractBaseUser | None) -> Any:
    """The user's key, None for no user and for Django's anonymous one.

    As a row has it: the user of a stateless token brings it as text. Raises UserNotFound for what no row can have.
    """
    if user is None or not user.is_authenticated:
        return None
    key = VerificationAttempt._meta.get_field("user").target_field
    try:
        value = key.to_python(user.pk)
        key.run_validators(value)  # whole numbers that are too large for the column
    except ValidationError:
        raise UserNotFound from None
    return value


def is_gone(user_id: Any, *, using: str) -> bool:
    """Whether the user of this key has no row any more: a token or a request outlived it."""
    return user_id is not None and not get_user_model()._base_manager.using(using).filter(pk=user_id).exists()


REPLACEMENT = "\ufffd"
LAST_OF_THREE_BYTES = "\uffff"

CHARACTER_SETS = """
    SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name LIKE 'django\\_telroi\\_%%' AND character_set_name IN ('utf8', 'utf8mb3')
"""


def is_storable(text: str, *, using: str) -> bool:
    """Whether our tables keep each character. The database is asked once a process, and only about rare characters."""
    if text.isascii():
        return "\0" not in text
    return _is_encodable(text) and (max(text) <= LAST_OF_THREE_BYTES or _keeps_four_bytes(using))


def refuse_unstorable(text: str, argument: str, *, using: str) -> None:
    """Raise UnstorableText for what a person wrote: they can write it in other characters."""
    if not is_storable(text, using=using):
        raise UnstorableText(argument)


def storable(text: str, *, using: str) -> str:
    """The text with each character replaced that our tables do not keep: for a name that is not ours to refuse."""
    if is_storable(text, using=using):
        return text
    return "".join(sign if is_storable(sign, using=using) else REPLACEMENT for sign in text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


@lru_cache
def _keeps_four_bytes(using: str) -> bool:
    connection = connections[using]
    if connection.vendor != "mysql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(CHARACTER_SETS)
        (narrow,) = cursor.fetchone()
    return not narrow


@redact_arguments("text")
@sensitive_variables()
def spelled_number(text: str) -> str | None:
    """The E.164 spelling of what was typed; None where it spells no number.

    What is valid changes with every edition of the numbering plans. So text that is E.164 but not valid is returned
    too: a number that was called or verified before still has its rows.
    """
    try:
        return parse_phone(text, default_region=conf.default_region()).number
    except InvalidNumber:
        return written_e164(text)


@redact_arguments("number")
@sensitive_variables()
def known_number(number: str, *, using: str) -> Phone:
    """The number that is meant: E.164, or any spelling of it. Raises InvalidNumber.

    A number that was valid once is found by the rows that we have of it. Only what may stand in the column is looked
    for: given a NUL or half a surrogate pair, databases raise errors of their own.
    """
    try:
        return parse_phone(number, default_region=conf.default_region())
    except InvalidNumber:
        stored = written_e164(number)
        if stored is None:
            raise
        if row := PhoneNumber.objects.using(using).filter(number=stored).first():
            return Phone(row.number, row.region, LineType.UNKNOWN)
        if VerifiedPhone.objects.using(using).filter(number=stored).exists():
            return Phone(stored, "", LineType.UNKNOWN)
        raise
