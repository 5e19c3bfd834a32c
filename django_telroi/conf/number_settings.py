"""The settings about numbers at rest: whether the database has them encrypted, and with which keys."""

from __future__ import annotations

from django_telroi.conf import values
from django_telroi.domain.number_cipher import MIN_KEY_LENGTH, NumberEncryption
from django_telroi.redaction import Secret

OFF = NumberEncryption.OFF


def number_encryption() -> NumberEncryption:
    """Return how numbers are written and looked up. All but ``off`` need ``NUMBER_KEYS``."""
    chosen = values.read("NUMBER_ENCRYPTION")
    # Each number that is read or written asks this, so the default comes first.
    if chosen == "off":
        return OFF
    try:
        return NumberEncryption(chosen)
    except ValueError:
        modes = ", ".join(f'"{mode}"' for mode in NumberEncryption)
        raise values.invalid_setting("NUMBER_ENCRYPTION", f"one of {modes}") from None


def number_keys() -> list[str]:
    """Return the keys that encrypt numbers, the newest first. It encrypts, and all of them are looked up.

    Empty entries are removed: an empty environment variable gives one.
    """
    keys = [Secret(key.strip()) for key in values.texts("NUMBER_KEYS") if key.strip()]
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise values.invalid_setting("NUMBER_KEYS", f"a list of keys of at least {MIN_KEY_LENGTH} characters each")
    return list(dict.fromkeys(keys))
