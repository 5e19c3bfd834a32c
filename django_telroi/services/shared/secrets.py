"""Secrets: the codes that this site makes, and the encryption of short texts.

A code that this site checks exists as text only in the process that places its call, from the claim until the request
is sent. The row has a keyed digest. A slow hash would not protect it better: a code has at most 10 digits, so a person
who has the database and ``SECRET_KEY`` finds it by trying all of them. Without ``SECRET_KEY`` a guess cannot be tested.

Short texts are those in a cookie or a session, such as a phone number. ``seal`` needs ``SECRET_KEY`` only. ``pack`` is
for sites that encrypt numbers, and uses their ``NUMBER_KEYS``.
"""

from __future__ import annotations

import json
import logging
import secrets
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from django_telroi import conf
from django_telroi.backends import KeyInUse, spoken_length
from django_telroi.domain.states import CodeMaker, Judge
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.models.sealed import needed_ciphers, number_ciphers
from django_telroi.redaction import Secret

logger = logging.getLogger("django_telroi")


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


def new_code(length: int) -> Secret:
    """Return a random code of ``length`` digits, from the operating system's random numbers."""
    return Secret(f"{secrets.randbelow(10**length):0{length}d}")


def digest_of(uuid: UUID, number: str, digits: str, *, secret: str | bytes | None = None) -> str:
    """Return the keyed digest of a code for one attempt and number. ``secret`` defaults to ``SECRET_KEY``.

    Attempt and number are part of it, so a digest that is copied to another row matches no code there.
    """
    value = Secret(f"{uuid} {number} {digits}")  # error reports show local variables
    return salted_hmac("django_telroi.code", value, secret=secret, algorithm="sha256").hexdigest()


def matches(attempt: VerificationAttempt, digits: str, digest: str) -> bool:
    """Return whether ``digest`` is that of the code under ``SECRET_KEY`` or one of ``SECRET_KEY_FALLBACKS``.

    A call may have been placed before the key was rotated. All keys are always tried, so the response time does not
    show which key matched.
    """
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    uuid, number = attempt.uuid, attempt.number
    found = [constant_time_compare(digest_of(uuid, number, digits, secret=key), digest) for key in keys]
    return any(found)


def site_makes_code(control: CallControl, *, key: KeyInUse, now: datetime) -> bool:
    """Return whether the next call with this key gets a code of this site."""
    return conf.codes() == CodeMaker.SITE and accepts_site_codes(control, key=key, now=now)


def accepts_site_codes(control: CallControl, *, key: KeyInUse, now: datetime) -> bool:
    """Return whether calls with this key may carry a code, as far as earlier answers show."""
    until = control.codes_refused_until
    return until is None or until <= now or control.codes_refused_key != key.digest


def length_of(attempt: VerificationAttempt) -> CodeLength:
    """Return how many digits the code of this attempt has, as far as that is known.

    Until it is known who made the code, a shorter code may be right too: the provider may read out fewer digits.
    """
    if attempt.judge == Judge.TELROI:
        return spoken_length(attempt.code_length)
    is_certain = attempt.judge in (Judge.SITE, Judge.CALLER) or spoken_length(attempt.code_length).is_certain
    return CodeLength(longest=attempt.code_length, expected=attempt.code_length, is_certain=is_certain)


def length_of_next_code() -> CodeLength:
    """Return how many digits the next call reads out, as far as the settings show."""
    length = conf.code_length()
    spoken = spoken_length(length)
    return spoken if conf.codes() == CodeMaker.TELROI else replace(spoken, longest=length, expected=length)
