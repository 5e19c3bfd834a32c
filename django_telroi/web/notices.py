"""The notice for the next page: the result of the last form. The session stores it for one purpose.

It never has a code. It has a number only while the person may correct it, or while a call to it must wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from django_telroi.domain.phone import mask
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.errors import MAX_WAIT, VerificationRefused
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.shared.secrets import pack, unpack
from django_telroi.web.posted_values import Value
from django_telroi.web.tickets import open_waiting_number, seal_waiting_number

NOTICE_SALT = "django_telroi.web.notice"
KEEP_NUMBER_FOR = 3600
"""Seconds after a wait in which the card still knows the number."""

NEWER_CALL, SHORT_CODE = "newer_call", "short_code"
"""Reasons why a page does not check a code: it was typed for an older call, or a digit may be missing."""

CODES_OF_CHECKS = frozenset({"", NEWER_CALL, SHORT_CODE, *CheckOutcome})
"""The codes of a notice about a typed code."""

FORGOTTEN = "forgotten"
"""Reason why a page asks for the number again: the number of a call that had to wait is not known any more."""

LOGGED_OUT = "logged_out"
"""Reason why a page asks for the number again: the call belongs to a user, and the person is not logged in any more."""

SAME_NUMBER = "same_number"
"""Reason why a page does not request a call: the user has this number already."""

About = Literal["number", "code", "call"]


@dataclass(frozen=True)
class Notice:
    """The result of the last form, for the page after the redirect. It is shown once, or during a wait.

    ``code``: of a rejection or of a check, ``NEWER_CALL`` or ``SHORT_CODE``; ``""`` for no message. ``over_at``: end of
    the wait, in seconds since the epoch. ``length_fit``: of a code with a wrong length. ``digits``: the number of typed
    digits of a code that may be too short. ``number``: the sealed number of a call that must wait, for the button that
    requests it again; ``masked``: the same number for display. Such a notice is shown as long as the sealed number is
    valid; ``is_shown``: it was shown before. ``typed``, ``problems``: ``values`` and ``problems`` of PostedValues.
    """

    about: About
    code: str = ""
    over_at: float | None = None
    tries_left: int | None = None
    length_fit: str = ""
    digits: int = 0
    number: str = field(default="", repr=False)
    masked: str = ""
    is_shown: bool = False
    typed: Mapping[str, Value] = field(default_factory=dict, repr=False)
    problems: Mapping[str, list[str]] = field(default_factory=dict, repr=False)

    @property
    def wait(self) -> int:
        """Seconds that are left of the wait, 0 if there is none."""
        return 0 if self.over_at is None else max(0, math.ceil(self.over_at - time.time()))


def notice_of(refusal: VerificationRefused, *, about: About) -> Notice:
    # The end of the wait is stored, not its length, because the page may be shown or loaded again later.
    over_at = None if refusal.retry_after is None else time.time() + refusal.retry_after
    return Notice(about, refusal.code, over_at=over_at)


def with_number(notice: Notice, number: str, request: HttpRequest) -> Notice:
    """Return the notice of a call to ``number`` (E.164) that must wait. It is kept until an hour after the wait."""
    ends_at = (notice.over_at or time.time()) + KEEP_NUMBER_FOR
    return replace(notice, number=seal_waiting_number(number, request, ends_at=ends_at), masked=mask(number))


@sensitive_variables()
def shown_waiting_number(request: HttpRequest, notice: Notice | None, sealed: str) -> str:
    """Return the number (E.164) of ``sealed``, ``""`` if it has expired or is not that of ``notice``.

    It is accepted only from the session whose card has it.
    """
    is_shown_here = notice is not None and notice.number != "" and constant_time_compare(sealed, notice.number)
    return (open_waiting_number(sealed, request) or "") if is_shown_here else ""


def notice_of_check(refusal: VerificationRefused) -> Notice:
    """Return the notice for a code that could not be checked."""
    if refusal.code == CheckOutcome.UNAVAILABLE:
        return Notice("code", CheckOutcome.UNAVAILABLE)
    return notice_of(refusal, about="call")


def notice_of_result(result: CheckResult, *, digits: int) -> Notice:
    """Return the notice for a code of ``digits`` digits that is not right, or that may be too short."""
    if result.length_fit == LengthFit.PERHAPS_TOO_SHORT:
        return Notice("code", SHORT_CODE, digits=digits)
    return Notice("code", result.outcome, tries_left=result.tries_left, length_fit=result.length_fit or "")


@sensitive_variables()
def saved_notice(notice: Notice) -> dict[str, Any]:
    """Return the notice as JSON-compatible values. It has digits of the number, so it is encrypted like the number."""
    values = asdict(notice)
    return {"sealed": pack(values, salt=NOTICE_SALT)} if is_number_sealed() else values


@sensitive_variables()
def read_notice(saved: Mapping[str, Any]) -> Notice | None:
    """Return the notice of ``saved_notice``. None if it was encrypted with a key that the site does not have."""
    values = unpack(saved["sealed"], salt=NOTICE_SALT) if "sealed" in saved else saved
    return None if values is None else _showable(Notice(**values))


def _showable(notice: Notice) -> Notice | None:
    """Return the notice, None if no page can show it: another version of this app wrote its code or its wait."""
    code: Any = notice.code
    over_at: Any = notice.over_at
    is_known = isinstance(code, str) and (notice.about != "code" or code in CODES_OF_CHECKS)
    if over_at is None:
        return notice if is_known else None
    is_moment = isinstance(over_at, int | float) and math.isfinite(over_at) and notice.wait <= MAX_WAIT
    return notice if is_known and is_moment else None
