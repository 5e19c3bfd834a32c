"""Encryption of short texts, such as a phone number in a cookie or a session.

``seal`` needs ``SECRET_KEY`` only. ``pack`` is for sites that encrypt numbers, and uses their ``NUMBER_KEYS``.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.crypto import salted_hmac

from django_telroi.models.sealed import needed_ciphers, number_ciphers
from django_telroi.redaction import Secret

DIGEST_SALT = "django_telroi.web.ticket.id"


def new_nonce() -> str:
    return secrets.token_hex(16)


def keyed_digest(text: str, *, secret: str | bytes) -> bytes:
    """Return the HMAC-SHA256 of the text, 32 bytes."""
    return salted_hmac(DIGEST_SALT, text, secret=secret, algorithm="sha256").digest()


def xor_keystream(data: bytes, nonce: str, secret: str | bytes) -> bytes:
    """Encrypt or decrypt ``data``: XOR with a key stream that is derived from the secret and the nonce."""
    # Django has no cipher, and a dependency for 16 bytes would be too much. HMAC in counter mode is a stream that
    # cannot be predicted without the key. It must never be used twice, so each ticket and each cookie has its own
    # nonce.
    stream = b""
    while len(stream) < len(data):
        stream += keyed_digest(f"shown\0{nonce}" + (f"\0{len(stream)}" if stream else ""), secret=secret)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def seal(text: str, *, owner: str, salt: str) -> str:
    """Return ``text`` encrypted and signed. Only ``unseal`` with the same ``owner`` and ``salt`` reads it."""
    nonce = new_nonce()
    # A database may hold half of a surrogate pair, which cannot be encoded. Such text is no number.
    encrypted = xor_keystream(text.encode(errors="ignore"), nonce, settings.SECRET_KEY).hex()
    return signing.dumps([owner, nonce, encrypted], salt=salt)


def pack(values: Mapping[str, Any], *, salt: str) -> str:
    """Return JSON-compatible values encrypted with the first key of ``NUMBER_KEYS``, for a session.

    They are compressed, because a session may be a cookie of 4 KB, in which ``seal`` would take three times the space.
    Raises NumbersUnreadable without a key.
    """
    data = zlib.compress(json.dumps([salt, values], separators=(",", ":")).encode())
    return needed_ciphers()[0].encrypt_packed(data)


def unpack(packed: str, *, salt: str) -> dict[str, Any] | None:
    """Return the values of ``pack``. None if they were packed with another salt, or with a key that is gone."""
    for cipher in number_ciphers():
        with suppress(ValueError):
            of_salt, values = json.loads(zlib.decompress(cipher.decrypt_packed(packed)))
            return dict(values) if of_salt == salt else None
    return None


def unseal(sealed: str, *, owner: str, salt: str) -> str | None:
    """Return the text of ``seal``. None if the sealed text was changed, or was made for another owner."""
    if not sealed:
        return None
    # signing.loads can try all keys itself, but it does not say which one fitted. Decryption needs that key.
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            for_owner, nonce, encrypted = signing.loads(sealed, key=secret, salt=salt, fallback_keys=[])
        except signing.BadSignature:
            continue
        return Secret(xor_keystream(bytes.fromhex(encrypted), nonce, secret).decode()) if for_owner == owner else None
    return None
