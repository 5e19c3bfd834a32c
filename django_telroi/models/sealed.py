"""A text field for numbers and parts of them, which the setting ``NUMBER_ENCRYPTION`` encrypts in the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups

from django_telroi import conf
from django_telroi.domain.number_cipher import (
    MARK,
    SEALED_LENGTH,
    NumberCipher,
    NumberEncryption,
    SealedPart,
    cipher_of,
    is_sealed,
)
from django_telroi.redaction import Secret, as_secret


class NumbersUnreadable(ImproperlyConfigured):
    """The settings have no key for an encrypted number, or ``cryptography`` is missing. The checks report it."""


def number_ciphers() -> list[NumberCipher]:
    """Return the cipher of each key, the newest first.

    Raises NumbersUnreadable without ``cryptography``, or if ``NUMBER_KEYS`` is invalid.
    """
    try:
        return [cipher_of(key) for key in conf.number_keys()]
    except ImproperlyConfigured as error:  # a key that is too short, or a setting that is no list
        raise NumbersUnreadable(str(error)) from None
    except ImportError:
        raise NumbersUnreadable(
            'TELROI["NUMBER_KEYS"] needs the package cryptography: install "django-telroi[encryption]".'
        ) from None


def needed_ciphers() -> list[NumberCipher]:
    """Return the cipher of each key. Raises NumbersUnreadable if there is none."""
    ciphers = number_ciphers()
    if not ciphers:
        raise NumbersUnreadable('TELROI["NUMBER_ENCRYPTION"] needs a key in TELROI["NUMBER_KEYS"].')
    return ciphers


def stored_forms(text: str, part: SealedPart) -> list[str]:
    """Return each form in which a row may have the text. The first one is the form in which it is written.

    One form unless keys are rotated or rows are converted. ``""`` is never encrypted: it tells that nothing is known.
    """
    encryption = conf.number_encryption()
    if encryption == NumberEncryption.OFF or not text:
        return [text]
    sealed = [cipher.encrypt(text, part) for cipher in needed_ciphers()]
    if encryption == NumberEncryption.ON:
        return sealed
    return [text, *sealed] if encryption == NumberEncryption.PREPARE else [*sealed, text]


def stored_form(text: str, part: SealedPart) -> str:
    """Return the form in which the text is written."""
    encryption = conf.number_encryption()
    if not text or encryption in (NumberEncryption.OFF, NumberEncryption.PREPARE):
        return text
    return needed_ciphers()[0].encrypt(text, part)


def opened(stored: str, part: SealedPart) -> str:
    """Return the text of a column in clear. Raises NumbersUnreadable if no key of the settings encrypted it."""
    if not is_sealed(stored):
        return stored
    for cipher in number_ciphers():
        if stored.startswith(cipher.mark):
            try:
                return cipher.decrypt(stored, part)
            except ValueError:
                continue  # another key may have the same mark
    raise NumbersUnreadable('A row is encrypted with a key that TELROI["NUMBER_KEYS"] does not have.')


def has_written_form(stored: str) -> bool:
    """Return whether a text of a column has the form that the settings write. It decrypts nothing."""
    if conf.number_encryption() in (NumberEncryption.OFF, NumberEncryption.PREPARE):
        return not is_sealed(stored)
    first, *others = needed_ciphers()
    # Two keys have the same mark once in a million. Then the text must be decrypted to tell.
    return stored.startswith(first.mark) and all(other.mark != first.mark for other in others)


def is_number_sealed() -> bool:
    """Return whether rows may be encrypted, so that the database cannot compare parts of a number."""
    return conf.number_encryption() != NumberEncryption.OFF


def has_several_forms() -> bool:
    """Return whether rows of one number may have it in different forms: during a migration or a rotation of keys."""
    return len(stored_forms("+1", SealedPart.NUMBER)) > 1


class SealedCharField(models.CharField):  # type: ignore[type-arg] # it cannot be subscripted at run time
    """A text that Python has in clear, and the database as ``NUMBER_ENCRYPTION`` says.

    It is a Secret, also as a parameter of a statement, because error reports show the frames of the database's driver.
    Equal texts are found with ``exact`` and ``in``, and joined columns of the same ``part`` match. While rows may be
    encrypted, any other lookup raises FieldError, because it would find nothing. ``dumpdata`` writes the stored form.
    """

    def __init__(self, *args: Any, part: SealedPart | str, **kwargs: Any) -> None:
        self.part = SealedPart(part)
        kwargs["max_length"] = SEALED_LENGTH
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"]
        return name, path, args, {**kwargs, "part": self.part.value}

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return Secret(opened(text, self.part)) if text else text
        except ImproperlyConfigured as error:  # text of a form or a fixture
            raise ValidationError(str(error)) from None

    def from_db_value(self, value: str | None, expression: object, connection: BaseDatabaseWrapper) -> str | None:
        return Secret(opened(value, self.part) if value[0] == MARK else value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return Secret(stored_form(text, self.part)) if text else text

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))

    def get_lookup(self, lookup_name: str) -> Any:
        is_usable = lookup_name in ("exact", "in", "isnull") or not is_number_sealed()
        return super().get_lookup(lookup_name) if is_usable else None

    def forms_of(self, value: object) -> list[Any]:
        """Return each form of a value that is compared with the column. An expression has one."""
        if value is None or hasattr(value, "resolve_expression"):
            return [value]
        return [as_secret(form) for form in stored_forms(self.to_python(value), self.part)]


@SealedCharField.register_lookup
class SealedExact(lookups.Exact):
    """Finds a row in each form that it may have."""

    def get_prep_lookup(self) -> Any:
        field = self.lhs.output_field
        is_text = isinstance(self.rhs, str) and isinstance(field, SealedCharField)
        self.forms = field.forms_of(self.rhs) if is_text else []
        return self.forms[0] if self.forms else super().get_prep_lookup()

    def as_sql(self, compiler: Any, connection: BaseDatabaseWrapper) -> Any:
        if len(self.forms) < 2:
            return super().as_sql(compiler, connection)
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} IN ({', '.join(['%s'] * len(self.forms))})", [*parameters, *self.forms]


@SealedCharField.register_lookup
class SealedIn(lookups.In):
    """Finds each row in each form that it may have."""

    def get_prep_lookup(self) -> Any:
        field = self.lhs.output_field
        if (
            not hasattr(self.rhs, "resolve_expression")
            and isinstance(field, SealedCharField)
            and isinstance(self.rhs, Iterable)
        ):
            return [form for value in self.rhs for form in field.forms_of(value)]
        return super().get_prep_lookup()
