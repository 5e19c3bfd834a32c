"""Checks of the settings that encrypt numbers."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connections

from django_telroi import conf
from django_telroi.domain.number_cipher import NumberEncryption, cipher_of
from django_telroi.models import PhoneNumber
from django_telroi.services.upkeep.number_conversion import has_rows_in_other_form

LOOKED_UP_IN_BOTH_FORMS = (NumberEncryption.PREPARE, NumberEncryption.MIGRATE)


def check_number_keys() -> Iterator[CheckMessage]:
    """Yield an error if numbers cannot be encrypted, and a warning for a key that has another use too."""
    keys = conf.number_keys()
    if conf.number_encryption() != NumberEncryption.OFF and not keys:
        yield checks.Error(
            'TELROI["NUMBER_ENCRYPTION"] is set, but TELROI["NUMBER_KEYS"] has no key.',
            hint="Add a key of at least 32 random characters: python -c 'import secrets; "
            "print(secrets.token_urlsafe(32))'. Keep a copy of it, because the numbers cannot be read without it.",
            id="telroi.E030",
        )
    if keys and not _can_encrypt(keys[0]):
        yield checks.Error(
            'TELROI["NUMBER_KEYS"] needs the package cryptography with OpenSSL 3, which has AES-SIV.',
            hint='Install or upgrade it: pip install --upgrade "django-telroi[encryption]".',
            id="telroi.E031",
        )
    if settings.SECRET_KEY in keys:
        yield checks.Warning(
            'TELROI["NUMBER_KEYS"] has the SECRET_KEY. When that key is rotated, the numbers cannot be read any more.',
            hint="Use a key of its own.",
            id="telroi.W035",
        )


def check_unfinished_conversion() -> Iterator[CheckMessage]:
    """Yield a warning while numbers are looked up in clear and encrypted (``check --deploy``)."""
    if conf.number_encryption() in LOOKED_UP_IN_BOTH_FORMS:
        yield checks.Warning(
            f'TELROI["NUMBER_ENCRYPTION"] is "{conf.number_encryption()}", which is meant for a migration: numbers are '
            "looked up in clear and encrypted, and numbers that are not needed are not purged.",
            hint='Run manage.py telroi_encrypt, then set it to "on" (or to "off" after a decryption).',
            id="telroi.W036",
        )


def check_stored_numbers(using: str) -> Iterator[CheckMessage]:
    """Yield an error if the settings cannot find numbers that are stored in another form, or with another key."""
    if conf.number_encryption() in LOOKED_UP_IN_BOTH_FORMS or len(conf.number_keys()) > 1:
        return
    if PhoneNumber._meta.db_table not in connections[using].introspection.table_names():
        return  # before the first migration
    if has_rows_in_other_form(using=using):
        yield checks.Error(
            f'The database has numbers that TELROI["NUMBER_ENCRYPTION"] = "{conf.number_encryption()}" with these '
            "NUMBER_KEYS does not find. Their blocks, limits and accounts have no effect.",
            hint='Add the missing key, or set NUMBER_ENCRYPTION to "migrate" ("prepare" to decrypt) and run '
            "manage.py telroi_encrypt.",
            id="telroi.E032",
        )


def _can_encrypt(key: str) -> bool:
    try:
        cipher_of(key)
    except Exception:  # noqa: BLE001 - ImportError, or cryptography's own error for an old OpenSSL
        return False
    return True
