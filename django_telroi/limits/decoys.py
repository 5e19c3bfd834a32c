"""Decoys: requests that must look like a call to the requester, although no call is placed.

A page that asks for the number of an account calls only known numbers. If only their limits were applied, a second
request would show which numbers are known: one is refused with "We called this number a moment ago", the other is not.
So a request for an unknown number is counted like a call: for its requester, and for the number in the cache. It is not
counted in the number's row, because staff would see a call there that was never placed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.core.cache import caches
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import Phone
from django_telroi.domain.policy import DAY, with_call
from django_telroi.limits.counting import admit, refuse_if_full, reject_if_cache_fails
from django_telroi.limits.sub_windows import cache_digest
from django_telroi.redaction import redact_arguments
from django_telroi.services.calls.refusals import admit_number
from django_telroi.services.requester import Requester

LIFETIME = int(DAY / timedelta(seconds=1))
"""Seconds: the longest window of a number's limits."""


@redact_arguments("number")
@sensitive_variables()
def check(number: str, requester: Requester, *, is_known_to: Callable[[str], bool | None]) -> None:
    """Raise the VerificationRefused that a call to ``number`` would get now. Counts nothing.

    ``is_known_to`` returns whether the requester is known with a number (E.164), None if no calls are reserved.
    """
    admit_number(number, admit=lambda: refuse_if_full("start", requester), decoys_of=_moments, is_known_to=is_known_to)


@redact_arguments("number")
@sensitive_variables()
def count(
    number: str, requester: Requester, *, ask: Callable[[], None] | None, is_known_to: Callable[[str], bool | None]
) -> None:
    """Count a decoy of a call to ``number``. Raises the VerificationRefused that the call would get.

    ``ask`` is as in ``admit``, ``is_known_to`` as in ``check``.
    """
    phone, now = admit_number(
        number,
        admit=lambda: admit("start", requester, once=None, ask=ask),
        decoys_of=_moments,
        is_known_to=is_known_to,
    )
    if not conf.counts_requests():
        return
    with reject_if_cache_fails():
        caches[conf.rate_limit_cache()].set(_key(phone), with_call(_moments(phone), now), LIFETIME)


def _moments(phone: Phone) -> Sequence[datetime]:
    if not conf.counts_requests():
        return ()
    with reject_if_cache_fails():
        moments: Sequence[datetime] = caches[conf.rate_limit_cache()].get(_key(phone), ())
    return moments


def _key(phone: Phone) -> str:
    return "telroi:decoys:" + cache_digest("decoys", phone.number)
