"""Who is known with a number, for the calls that are reserved for them (``STRANGER_CALLS_PER_HOUR``).

A session remembers the numbers that it verified, as keyed digests. A user is known by their verified phones.
"""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.limits.sub_windows import cache_digest
from django_telroi.redaction import Secret
from django_telroi.services.calls.reserved_calls import has_number
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.transactions import write_alias

logger = logging.getLogger("django_telroi")

SESSION_KEY = "telroi_known_numbers"
MAX_NUMBERS = 10
"""The newest numbers of a session that are remembered."""


@sensitive_variables()
def remember_number(request: HttpRequest, number: str) -> None:
    """Remember in the session that it verified ``number`` (E.164). Does nothing if no calls are reserved."""
    if not conf.reserves_calls():
        return
    digests, digest = _digests_of(request), _digest(number)
    if digests is not None and digest not in digests:
        request.session[SESSION_KEY] = [*digests, digest][-MAX_NUMBERS:]


@sensitive_variables()
def is_known_to(request: HttpRequest, number: str) -> bool | None:
    """Return whether the visitor is known with ``number`` (E.164). None if no calls are reserved. Raises Unavailable.

    The user who is logged in counts, and not the user who owns the call: a page that logs in by phone asks for calls
    to accounts whose users are not logged in.
    """
    if not conf.reserves_calls():
        return None
    if _digest(number) in (_digests_of(request) or ()):
        return True
    return has_number(owner_id(getattr(request, "user", None)), number, using=write_alias())


def _digests_of(request: HttpRequest) -> list[str] | None:
    """Return the digests in the session. None without a session, or if its store does not answer."""
    if not hasattr(request, "session"):
        return None
    try:
        digests: list[str] = request.session.get(SESSION_KEY, [])
    except Exception as error:  # noqa: BLE001 - each store has its own errors, and a right code was typed already
        logger.warning("session_not_read error=%s", type(error).__name__)
        return None
    return digests


def _digest(number: str) -> str:
    return cache_digest("known", Secret(number))
