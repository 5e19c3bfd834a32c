"""Encryption of numbers and of parts of them in the database, with AES-SIV (RFC 5297).

AES-SIV is deterministic. Its first 16 bytes are a keyed hash of the text (S2V), so a row is found by an equal value,
and a unique index works. The other bytes are the text, encrypted with that hash as the nonce. A random nonce would hide
which rows have the same number, but then a second column would need the same keyed hash to find a row.

This protects a copy of the database without the key. There are only about 10^10 numbers: a person who has the key
finds any of them within minutes, also if the hash could not be reversed.
"""

from __future__ import annotations

import base64
import hmac
import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

# ``cryptography`` is an optional dependency.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

MIN_KEY_LENGTH = 32
"""Characters of a key. ``secrets.token_urlsafe(32)`` has 43."""

PACKED = b"packed"

MARK = "k"
"""The first character of each encrypted text. Numbers begin with ``+``, and last digits with a digit."""

KEY_ID_LENGTH = 4
SEALED_LENGTH = 64
"""The length of the columns. An encrypted number has 57 characters."""

_SEALED = re.compile(f"{MARK}[a-z2-7]{{32,}}")


class NumberEncryption(StrEnum):
    """How numbers are written to the database, and in which forms they are looked up."""

    OFF = "off"
    """Written and looked up in clear."""
    PREPARE = "prepare"
    """Written in clear, looked up in both forms: before and after a migration, until all processes know the keys."""
    MIGRATE = "migrate"
    """Written encrypted, looked up in both forms: while the rows are converted."""
    ON = "on"
    """Written and looked up encrypted."""


class SealedPart(StrEnum):
    """What a column holds. Columns of the same part have equal values for equal texts."""

    NUMBER = "number"
    LAST4 = "last4"
    PREFIX = "prefix"

    @property
    def longest(self) -> int:
        """The greatest number of characters in clear. All texts are padded to it, so the length tells nothing."""
        return {SealedPart.NUMBER: 16, SealedPart.LAST4: 4, SealedPart.PREFIX: 8}[self]


class NumberCipher:
    """Encrypts with one key. ``mark`` is the beginning of everything that it encrypts."""

    def __init__(self, key: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        secret = key.encode()
        self._siv: AESSIV = AESSIV(hmac.digest(secret, b"django_telroi.number", "sha512"))
        # Names the key without telling anything about it, so that the right one of several keys is used.
        self.mark = MARK + _base32(hmac.digest(secret, b"django_telroi.number.id", "sha256"))[:KEY_ID_LENGTH]

    def encrypt(self, text: str, part: SealedPart) -> str:
        """Return the encrypted text, always the same for the same text and part."""
        plain = text.encode().ljust(part.longest, b"\0")
        return self.mark + _base32(self._siv.encrypt(plain, [part.value.encode()]))

    def encrypt_packed(self, data: bytes) -> str:
        """Return the data encrypted, for ``decrypt_packed``. Shorter than ``encrypt``, and no database compares it."""
        return base64.urlsafe_b64encode(self._siv.encrypt(data, [PACKED])).decode()

    def decrypt_packed(self, sealed: str) -> bytes:
        """Return the data. Raises ValueError if it is of another key, or was changed."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._siv.decrypt(base64.urlsafe_b64decode(sealed), [PACKED])
        except InvalidTag:
            raise ValueError("not encrypted with this key") from None

    def decrypt(self, sealed: str, part: SealedPart) -> str:
        """Return the text. Raises ValueError if ``sealed`` is of another key or part, or was changed."""
        from cryptography.exceptions import InvalidTag

        encoded = sealed.removeprefix(self.mark).upper()
        try:
            plain = self._siv.decrypt(base64.b32decode(encoded + "=" * (-len(encoded) % 8)), [part.value.encode()])
        except InvalidTag:
            raise ValueError("not encrypted with this key") from None
        return plain.rstrip(b"\0").decode()


@lru_cache(maxsize=16)
def cipher_of(key: str) -> NumberCipher:
    """Return the cipher of a key. Raises ImportError without the package ``cryptography``."""
    return NumberCipher(key)


def is_sealed(text: str) -> bool:
    """Return whether the text of a column is encrypted, with any key."""
    return text[:1] == MARK and _SEALED.fullmatch(text) is not None


def _base32(data: bytes) -> str:
    """Return lower-case letters and digits only: MariaDB compares letters without their case, and base64 has both."""
    return base64.b32encode(data).decode().rstrip("=").lower()
