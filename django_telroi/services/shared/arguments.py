"""Validation of a service's arguments: types, users, texts, phone numbers, and numbers of the site (``user.phone``).

No database stores a lone surrogate, which JSON and the arguments of a command may contain. PostgreSQL stores no NUL.
A table of MySQL or MariaDB in ``utf8mb3`` stores no character above U+FFFF, so no emoji. Such text is rejected before
it is written, because each database raises another error for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, wraps
from inspect import Parameter, signature
from types import NoneType
from typing import Any, Final, ParamSpec, TypeVar
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import connections
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import (
    LineType,
    Phone,
    mask,
    mask_digits_in,
    parse_phone,
    refuse_uncallable,
    written_e164,
)
from django_telroi.errors import InvalidNumber, NotCallable, RegionNotAllowed, UnstorableText, UserNotFound
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.models.sealed import is_number_sealed
from django_telroi.redaction import Secret, redact_arguments

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
"""Allowed types by the text of the annotation, because ``from __future__ import annotations`` keeps it as text.

Arguments with other annotations are not checked.
"""

USERS = ("AbstractBaseUser", "AbstractBaseUser | None")


def typed_arguments(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a service: raise TypeError for an argument that does not have the type in the signature.

    The message does not contain the value. Place this decorator below ``redact_arguments`` and above
    ``sensitive_variables``, which hides only the frame directly below its own. Any object with ``is_authenticated``
    is accepted as a user, because stateless tokens have users without a row.
    """
    # Once, when the service is defined, because ``signature`` is slow.
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
    expected = str(parameter.annotation)
    if expected in USERS:
        fits = hasattr(value, "is_authenticated") or (value is None and "None" in expected)
        expected = expected.replace("AbstractBaseUser", "a user")
    else:
        fits = expected not in TYPES or isinstance(value, TYPES[expected])
    if not fits:
        raise TypeError(f"{function}(): {parameter.name} must be {expected}, not {type(value).__name__}.")


def owner_id(user: AbstractBaseUser | None) -> Any:
    """Return the primary key of ``user``, or None for no user and for Django's anonymous user.

    The key has the type of the model field, also if a stateless token supplied it as text. Raises UserNotFound for a
    key that no row can have.
    """
    if user is None or not user.is_authenticated:
        return None
    # The key is not trusted: a stateless token may contain any text as its user id.
    key = VerificationAttempt._meta.get_field("user").target_field
    try:
        value = key.to_python(user.pk)
        key.run_validators(value)  # rejects an integer that is too large for the column
    except ValidationError:
        raise UserNotFound from None
    return value


def is_gone(user_id: Any, *, using: str) -> bool:
    """Return whether the user was deleted. A token or a running request can still refer to a deleted user."""
    return user_id is not None and not get_user_model()._base_manager.using(using).filter(pk=user_id).exists()


REPLACEMENT = "\ufffd"
LAST_OF_THREE_BYTES = "\uffff"

CHARACTER_SETS = """
    SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name LIKE 'django\\_telroi\\_%%' AND character_set_name IN ('utf8', 'utf8mb3')
"""


def is_storable(text: str, *, using: str) -> bool:
    """Return whether our tables can store each character of ``text``.

    Characters of four bytes depend on the character set. That is read once in each process, and only for such texts.
    """
    if text.isascii():
        return "\0" not in text
    return _is_encodable(text) and (max(text) <= LAST_OF_THREE_BYTES or _keeps_four_bytes(using))


def text_to_keep(text: str, argument: str, *, using: str) -> str:
    """Return the reason or note of staff with masked numbers. While numbers are encrypted, it keeps no digit of them.

    Raises UnstorableText if it cannot be stored: a person can write it in other characters.
    """
    if not is_storable(text, using=using):
        raise UnstorableText(argument)
    return mask_digits_in(text, shows_ends=not is_number_sealed())


def storable(text: str, *, using: str) -> str:
    """Return ``text`` with U+FFFD for each character that cannot be stored. For names, which we must not reject."""
    if is_storable(text, using=using):
        return text
    return "".join(char if is_storable(char, using=using) else REPLACEMENT for char in text)


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
    """Return the typed number in E.164 form, or None if ``text`` is not a number.

    Numbering plans change, so a number that was called or verified before may be invalid now. Text in E.164 form is
    therefore returned even if the number is not valid.
    """
    try:
        return parse_phone(text, default_region=conf.default_region()).number
    except InvalidNumber:
        return written_e164(text)


@redact_arguments("number")
@sensitive_variables()
def known_number(number: str, *, using: str) -> Phone:
    """Return the phone of ``number``, in E.164 form or any other spelling. Raises InvalidNumber.

    A number that is no longer valid is found by its rows. Only text in E.164 form is looked up, because databases
    raise errors for a NUL or half of a surrogate pair.
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


ANY_NUMBER: Final = object()
"""The value of a ``get_number`` hook if every verified number of the user counts. It is not None, because None is the
value of an empty field of the site, and must admit no user."""

NO_NUMBER = "no_number"
"""The code of a number that is missing."""

MAX_NUMBER_LENGTH = 64
"""Greatest number of characters of an invalid number that is kept."""


@dataclass(frozen=True)
class StoredNumber:
    """A number on file.

    ``number``: in E.164 form, or the text of the site if it is invalid. ``problem``: the code of the reason why it is
    never called, ``""`` if it may be called.
    """

    number: str = field(repr=False)
    problem: str = ""

    @property
    def masked(self) -> str:
        return mask(self.number)


def stored_number(value: object) -> StoredNumber:
    """Return the number of a value of the site: text, None, or a ``PhoneNumber`` of django-phonenumber-field."""
    # The text of a PhoneNumber depends on a setting of its package, and may lack the country code.
    text = Secret(Secret(getattr(value, "as_e164", None) or value or "").strip())
    if not text:
        return StoredNumber("", NO_NUMBER)
    try:
        phone = parse_phone(text, default_region=conf.default_region())
    except InvalidNumber:
        return StoredNumber(Secret(text[:MAX_NUMBER_LENGTH]), InvalidNumber.code)
    try:
        refuse_uncallable(phone, conf.calling_rules())
    except (NotCallable, RegionNotAllowed) as refusal:
        return StoredNumber(phone.number, refusal.code)
    return StoredNumber(phone.number)
