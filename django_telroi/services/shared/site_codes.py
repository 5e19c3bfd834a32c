"""The codes that this site makes: how one is made, kept as a digest and compared.

A code that this site checks exists as text only in the process that places its call, from the claim until the request
is sent. The row has a keyed digest. A slow hash would not protect it better: a code has at most 10 digits, so a person
who has the database and ``SECRET_KEY`` finds it by trying all of them. Without ``SECRET_KEY`` a guess cannot be tested.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from django_telroi import conf
from django_telroi.backends import KeyInUse, spoken_length
from django_telroi.domain.states import CodeMaker, Judge
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.redaction import Secret


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
