"""The exceptions of django-telroi.

::

    TelroiError
    ├── ApiError                    a request to Telroi gave no result
    │   ├── ApiUnreachable          nothing was sent, so no phone rang
    │   ├── ApiOutcomeUnknown       a time-out, a cut or unreadable response: it may have happened
    │   └── ApiRefused              Telroi answered with an error
    │       └── ApiRefusedByProxy   a server in front of Telroi answered with a page of its own
    ├── VerificationRefused         no call is placed; one subclass for each code
    │   ├── InvalidNumber           invalid_number
    │   ├── NotCallable             not_callable
    │   ├── RegionNotAllowed        region_not_allowed
    │   ├── InvalidPurpose          invalid_purpose
    │   ├── CooldownActive          cooldown
    │   ├── HourlyLimitReached      hourly_limit
    │   ├── DailyLimitReached       daily_limit
    │   ├── NumberHeld              held
    │   ├── DestinationPaused       destination_paused
    │   ├── ConsentRequired         consent_required
    │   ├── BotCheckFailed          bot_check_failed
    │   ├── TooManyRequests         too_many_requests
    │   ├── TooManyWrongCodes       too_many_wrong_codes
    │   ├── SiteLimitReached        site_limit
    │   ├── CallsStopped            calls_stopped
    │   ├── Misconfigured           misconfigured
    │   └── Unavailable             unavailable
    ├── AttemptNotFound             the attempt does not exist, or belongs to another user
    ├── UserNotFound                the user has no row: it was deleted, but its token or request was still in use
    ├── InsideTransaction           a rollback of the caller could undo the record of a call or a code
    ├── UnstorableText              a text with characters that the database cannot store
    ├── ReasonRequired              the owner of the number asked for its block, so lifting it needs a reason
    ├── ChangedMeanwhile            the number's row changed during every retry of a staff action
    ├── AlreadyBlocked              the number, prefix or region is blocked; the first block stays
    ├── SignatureRejected           a webhook without a valid signature of Telroi
    └── ProofRejected               a proof that is not valid here
        └── NumberTaken             a valid proof of a number that belongs to another account

Errors contain error codes and waits in seconds. The sentences for visitors are in ``services.sentences``. The arguments
of an error are its whole state, so it survives pickling. None of them is a secret.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any, ClassVar, Literal

__all__ = [
    "AlreadyBlocked",
    "ApiError",
    "ApiOutcomeUnknown",
    "ApiRefused",
    "ApiRefusedByProxy",
    "ApiUnreachable",
    "AttemptNotFound",
    "BotCheckFailed",
    "CallsStopped",
    "ChangedMeanwhile",
    "ConsentRequired",
    "CooldownActive",
    "DailyLimitReached",
    "DestinationPaused",
    "HourlyLimitReached",
    "InsideTransaction",
    "InvalidNumber",
    "InvalidPurpose",
    "Misconfigured",
    "NotCallable",
    "NumberHeld",
    "NumberTaken",
    "ProofRejected",
    "RateScope",
    "ReasonRequired",
    "RegionNotAllowed",
    "SignatureRejected",
    "SiteLimitReached",
    "TelroiError",
    "TooManyRequests",
    "TooManyWrongCodes",
    "Unavailable",
    "UnstorableText",
    "UserNotFound",
    "VerificationRefused",
]

RateScope = Literal["number", "key"]


class TelroiError(Exception):
    """The base class of all errors. ``str()`` is English, for logs and developers. ``description`` is its default."""

    # Many subclasses use one text as docstring and description. It is assigned: ``python -OO`` removes docstrings.
    description: ClassVar[str] = "django-telroi could not do this."

    def __str__(self) -> str:
        return super().__str__() or self.description


class ApiError(TelroiError):
    __doc__ = description = "Telroi gave no usable answer."


class ApiUnreachable(ApiError):
    """Certainly nothing was sent: connection refused, unknown host, connect time-out, failed TLS handshake."""

    description = "Telroi could not be reached, and nothing was sent."


class ApiOutcomeUnknown(ApiError):
    """The request may have been carried out: a time-out, a cut response, an unreadable 2xx, most 3xx."""

    description = "It is not known whether Telroi carried out the request."


class ApiRefused(ApiError):
    """Telroi answered 4xx or 5xx, or with the 302 to ``/login`` that it sends for a wrong path or method.

    ``code`` is Telroi's, or ``""``. ``message`` is for staff, not for the person on the phone. ``retry_after`` is in
    seconds, or None. ``scope`` says whether a 429 is about the number or about the key.
    """

    def __init__(
        self,
        status: int,
        code: str = "",
        message: str = "",
        retry_after: int | None = None,
        scope: RateScope | None = None,
    ) -> None:
        super().__init__(status, code, message, retry_after, scope)
        self.status, self.code, self.message, self.retry_after, self.scope = status, code, message, retry_after, scope

    @property
    def is_invalid(self) -> bool:
        """Whether Telroi rejected the request itself, such as a number that cannot be called."""
        return self.status in (400, 422)

    def __str__(self) -> str:
        return " ".join(filter(None, ("Telroi answered", str(self.status), self.code)))

    def __repr__(self) -> str:
        wait = f"retry_after={self.retry_after}, scope={self.scope!r}"
        return f"ApiRefused(status={self.status}, code={self.code!r}, {wait})"


class ApiRefusedByProxy(ApiRefused):
    """400, 404 or 422 with an HTML page. Telroi sends none with these, so it did not see the request.

    A proxy or firewall in front of Telroi does. The status then says nothing about the number or the code.
    """

    is_invalid = False

    def __str__(self) -> str:
        return f"A proxy in front of Telroi answered {self.status} with a page."


class VerificationRefused(TelroiError):
    """The request is rejected and no call is placed.

    ``code`` is stable and public. ``retry_after`` is in seconds, or None if waiting does not help. ``http_status`` is
    the status that the pages and the API answer with.
    """

    description = "This request was rejected."
    # A subclass of the site may have none of its own. These are those of ``Unavailable``.
    code: ClassVar[str] = "unavailable"
    http_status: ClassVar[int] = 503
    retry_after: int | None = None

    def __init__(self, retry_after: float | None = None) -> None:
        wait = whole_seconds(retry_after)
        super().__init__(wait)
        self.retry_after = wait

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f", retry after {self.retry_after} s"
        return f"{str(self.description).rstrip('.')} ({self.code}{wait})."


MAX_WAIT = 10**9
"""Seconds, as in the settings: about 30 years. A longer wait would overflow dates."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def whole_seconds(wait: object) -> int | None:
    """Return a wait as whole seconds from 1 to ``MAX_WAIT``, rounded up. None if it is not a finite number."""
    # True is an int in Python, and would be one second.
    if isinstance(wait, bool) or not isinstance(wait, int | float):
        return None
    if isinstance(wait, float) and not math.isfinite(wait):
        return None
    return min(max(1, math.ceil(wait)), MAX_WAIT)


def make_answerable(refusal: VerificationRefused) -> None:
    """Change the refusal that a function of the site raised where no response could have its values.

    A code that is no short identifier becomes ``unavailable``, and a status that is no error becomes 503.
    """
    # A class of the site sets these as it likes, also after ``__init__``. Set on the instance: the class is the site's.
    own: Any = refusal
    code, status = own.code, own.http_status
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        own.code = VerificationRefused.code
    elif type(code) is not str:  # a member of an Enum is stored and shown as its value
        own.code = str.__str__(code)
    if isinstance(status, bool) or not isinstance(status, int) or not 400 <= status <= 599:
        own.http_status = VerificationRefused.http_status
    own.retry_after = whole_seconds(own.retry_after)


class InvalidNumber(VerificationRefused):
    __doc__ = description = "This is not a phone number."
    code = "invalid_number"
    http_status = 400


class NotCallable(VerificationRefused):
    """The number is never called (premium rate, satellite, blocked, app reviewer), or ``MAY_START`` or ``PHONE_RISK``
    rejected the call. The requester does not learn the reason.
    """

    code = "not_callable"
    description = "This number is never called: it is blocked, or its type of line is not called."
    http_status = 400


class RegionNotAllowed(VerificationRefused):
    __doc__ = description = "This site does not call numbers of this region."
    code = "region_not_allowed"
    http_status = 400


class InvalidPurpose(VerificationRefused):
    __doc__ = description = 'The purpose is invalid, or it is not in TELROI["PURPOSES"].'
    code = "invalid_purpose"
    http_status = 400


class CooldownActive(VerificationRefused):
    __doc__ = description = "The last call to this number was too recent."
    code = "cooldown"
    http_status = 429


class HourlyLimitReached(VerificationRefused):
    __doc__ = description = "This number has had the maximum number of calls in an hour."
    code = "hourly_limit"
    http_status = 429


class DailyLimitReached(VerificationRefused):
    __doc__ = description = "This number has had the maximum number of calls in a day."
    code = "daily_limit"
    http_status = 429


class NumberHeld(VerificationRefused):
    __doc__ = description = "Telroi asked for a pause in calls to this number."
    code = "held"
    http_status = 429


class DestinationPaused(VerificationRefused):
    __doc__ = description = "This site has paused calls to numbers of this region or prefix."
    code = "destination_paused"
    http_status = 429


class ConsentRequired(VerificationRefused):
    __doc__ = description = "The form or the client did not show the current version of CONSENT_TEXT."
    code = "consent_required"
    http_status = 400


class BotCheckFailed(VerificationRefused):
    __doc__ = description = "The site's BOT_CHECK rejected this request."
    code = "bot_check_failed"
    http_status = 403


class TooManyRequests(VerificationRefused):
    __doc__ = description = "This requester reached a rate limit."
    code = "too_many_requests"
    http_status = 429


class TooManyWrongCodes(VerificationRefused):
    __doc__ = description = "This user, or this number without a user, had too many wrong codes in a row."
    code = "too_many_wrong_codes"
    http_status = 429


class SiteLimitReached(VerificationRefused):
    __doc__ = description = "The site has placed its maximum number of calls of the day."
    code = "site_limit"
    http_status = 503


class CallsStopped(VerificationRefused):
    __doc__ = description = "Staff stopped all calls."
    code = "calls_stopped"
    http_status = 503


class Misconfigured(VerificationRefused):
    __doc__ = description = "The site's settings or its API key do not allow calls."
    code = "misconfigured"
    http_status = 503


class Unavailable(VerificationRefused):
    __doc__ = description = "No call can be placed at this moment."
    code = "unavailable"
    http_status = 503


class AttemptNotFound(TelroiError):
    # One error for both cases, so that a stranger does not learn which ids exist.
    __doc__ = description = "The attempt does not exist, or belongs to another user."
    code: ClassVar[str] = "not_found"


class UserNotFound(TelroiError):
    """The user has no row: it was deleted, but its token or request was still in use.

    This happens with authentication that does not read the database, such as stateless tokens. Nothing was counted.
    """

    description = "The user has no row in the database."


class InsideTransaction(TelroiError):
    __doc__ = description = (
        "A rollback here could undo the record of a placed call or of a judged code. "
        "Decorate the view with @transaction.non_atomic_requests, or call this outside of atomic()."
    )


class UnstorableText(TelroiError):
    """``argument`` has characters that the site's database cannot store. Nothing was done.

    No database stores half a surrogate pair or NUL. A MariaDB or MySQL table in ``utf8mb3`` does not store emoji.
    """

    description = "The database cannot store all characters of this text."

    def __init__(self, argument: str = "text") -> None:
        super().__init__(argument)
        self.argument = argument

    def __str__(self) -> str:
        return f"{self.argument}: {self.description}"


class ReasonRequired(TelroiError):
    __doc__ = description = "The owner asked not to be called. A reason is required to lift this block."


class ChangedMeanwhile(TelroiError):
    __doc__ = description = "The number changed at the same moment. Nothing was done; try again."


class AlreadyBlocked(TelroiError):
    """The number, the prefix or the region is blocked already. That block stays as it is, and nothing was done.

    ``by`` is the name of who blocked it, ``at`` when, ``until`` the end of the block or None.
    """

    description = "It is blocked already. Nothing was done."

    def __init__(self, by: str = "", at: datetime | None = None, until: datetime | None = None) -> None:
        super().__init__(by, at, until)
        self.by = by
        self.at = at
        self.until = until

    def __str__(self) -> str:
        return self.description


class SignatureRejected(TelroiError):
    """The webhook has no valid signature of Telroi.

    ``reason`` is for the log, never for the sender: ``unsigned``, ``wrong_signature`` or ``no_secret``.
    """

    def __init__(self, reason: str = "wrong_signature") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"This webhook is not authentic ({self.reason})."


class ProofRejected(TelroiError):
    __doc__ = description = "This proof is forged, expired, used, or for another purpose."
    code: ClassVar[str] = "proof_rejected"
    http_status: ClassVar[int] = 400


class NumberTaken(ProofRejected):
    """The proof is valid, but another account has its number, and ``ONE_ACCOUNT_PER_NUMBER`` is on. It stays unused."""

    description = "The number belongs to another account."
    code = "number_taken"
    http_status = 409
