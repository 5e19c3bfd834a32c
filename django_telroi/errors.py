"""What can go wrong.

::

    TelroiError
    ├── ApiError                    talking to Telroi
    │   ├── ApiUnreachable          nothing was sent: nobody was rung
    │   ├── ApiOutcomeUnknown       it may have happened: a timeout, a cut or unreadable reply
    │   └── ApiRefused              Telroi said no, and could be read
    ├── VerificationRefused         no call will be placed; one subclass a code
    │   ├── InvalidNumber           invalid_number
    │   ├── NotCallable             not_callable
    │   ├── RegionNotAllowed        region_not_allowed
    │   ├── InvalidPurpose          invalid_purpose
    │   ├── CooldownActive          cooldown
    │   ├── HourlyLimitReached      hourly_limit
    │   ├── DailyLimitReached       daily_limit
    │   ├── NumberHeld              held
    │   ├── TooManyRequests         too_many_requests
    │   ├── SiteLimitReached        site_limit
    │   ├── CallsStopped            calls_stopped
    │   ├── Misconfigured           misconfigured
    │   └── Unavailable             unavailable
    ├── AttemptNotFound             no such attempt, or somebody else's
    ├── InsideTransaction           the caller's transaction could undo what must stay
    ├── ChangedMeanwhile            others changed the number faster than staff did
    ├── SignatureRejected           a webhook that Telroi did not sign
    └── ProofRejected               a proof that proves nothing here

Codes and figures only: the sentences a person reads are in ``services.sentences``. Every error's arguments are its
whole state, so that it survives pickling, and none of them is a secret.
"""

from __future__ import annotations

from typing import ClassVar, Literal

RateScope = Literal["number", "key"]


class TelroiError(Exception):
    """The root of the tree."""


class ApiError(TelroiError):
    """Talking to Telroi did not end in a value."""


class ApiUnreachable(ApiError):
    """Nothing was sent, for certain: refused, no such name, connect timeout, failed TLS handshake."""


class ApiOutcomeUnknown(ApiError):
    """The request may have been carried out: a timeout, a cut reply, an unreadable 2xx, most 3xx."""


class ApiRefused(ApiError):
    """Telroi answered 4xx or 5xx, or with the 302 to ``/login`` that a wrong path or method gets.

    ``code`` is Telroi's, or ``""`` where the answer names none; ``message`` is meant for staff, never for the person on
    the phone; ``retry_after`` is in seconds; ``scope`` says whether a 429 is about the number or about the key.
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
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.scope = scope

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status), self.code)))

    def __repr__(self) -> str:
        wait = f"retry_after={self.retry_after}, scope={self.scope!r}"
        return f"ApiRefused(status={self.status}, code={self.code!r}, {wait})"


class VerificationRefused(TelroiError):
    """No call will be placed for this request.

    ``code`` is stable and public; ``retry_after`` is in seconds, or None where waiting does not help; ``http_status``
    is what a web face answers.
    """

    code: ClassVar[str]
    http_status: ClassVar[int]

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f", retry after {self.retry_after} s"
        return self.code + wait


class InvalidNumber(VerificationRefused):
    """Not a phone number."""

    code = "invalid_number"
    http_status = 400


class NotCallable(VerificationRefused):
    """A number that is never rung: premium, satellite or blocked. A stranger learns no more."""

    code = "not_callable"
    http_status = 400


class RegionNotAllowed(VerificationRefused):
    """A number of a region that this site does not ring."""

    code = "region_not_allowed"
    http_status = 400


class InvalidPurpose(VerificationRefused):
    """A purpose that this site does not know."""

    code = "invalid_purpose"
    http_status = 400


class CooldownActive(VerificationRefused):
    """This number was rung too recently."""

    code = "cooldown"
    http_status = 429


class HourlyLimitReached(VerificationRefused):
    """This number had all the calls of its hour."""

    code = "hourly_limit"
    http_status = 429


class DailyLimitReached(VerificationRefused):
    """This number had all the calls of its day."""

    code = "daily_limit"
    http_status = 429


class NumberHeld(VerificationRefused):
    """Telroi asked us to leave this number alone for a while."""

    code = "held"
    http_status = 429


class TooManyRequests(VerificationRefused):
    """This requester, not this number, asked too often."""

    code = "too_many_requests"
    http_status = 429


class SiteLimitReached(VerificationRefused):
    """The site had all the calls of its day."""

    code = "site_limit"
    http_status = 503


class CallsStopped(VerificationRefused):
    """Staff stopped all calls."""

    code = "calls_stopped"
    http_status = 503


class Misconfigured(VerificationRefused):
    """The site's own set-up, or its key, does not allow calls."""

    code = "misconfigured"
    http_status = 503


class Unavailable(VerificationRefused):
    """No call can be placed just now."""

    code = "unavailable"
    http_status = 503


class AttemptNotFound(TelroiError):
    """No such attempt, or it belongs to somebody else: the two are not told apart."""


class InsideTransaction(TelroiError):
    """The caller's transaction could undo what must stay.

    A call cannot be unplaced and a guess cannot be unjudged. Decorate the view with
    ``@transaction.non_atomic_requests``, or leave the ``atomic`` block before asking.
    """

    def __str__(self) -> str:
        return (
            "A rollback here could undo a call that was placed or a guess that was judged. "
            "Decorate the view with @transaction.non_atomic_requests, or call this outside of atomic()."
        )


class ChangedMeanwhile(TelroiError):
    """Others changed the number's row as often as this change was tried. Nothing was done; try again."""

    def __str__(self) -> str:
        return "The number changed in the same moment. Nothing was done; try again."


class SignatureRejected(TelroiError):
    """A webhook that Telroi did not sign.

    ``reason`` is for the log, never for whoever sent it: ``unsigned``, ``wrong_signature`` or ``no_secret``.
    """

    def __init__(self, reason: str = "wrong_signature") -> None:
        super().__init__(reason)
        self.reason = reason


class ProofRejected(TelroiError):
    """A proof that is forged, expired, spent, or of another purpose."""

    code: ClassVar[str] = "proof_rejected"
