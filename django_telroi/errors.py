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
    ├── UserNotFound                the user has no row: deleted, and a token or a request outlived it
    ├── InsideTransaction           the caller's transaction could undo what must stay
    ├── UnstorableText              a text with characters that the database does not keep
    ├── ChangedMeanwhile            others changed the number faster than staff did
    ├── SignatureRejected           a webhook that Telroi did not sign
    └── ProofRejected               a proof that proves nothing here
        └── NumberTaken             it proves a number that belongs to another account

Codes and figures only: the sentences a person reads are in ``services.sentences``. Every error's arguments are its
whole state, so that it survives pickling, and none of them is a secret.
"""

from __future__ import annotations

from typing import ClassVar, Literal

RateScope = Literal["number", "key"]


class TelroiError(Exception):
    """The root of the tree.

    ``str()`` says in English what happened, for logs and developers: ``words``, where an error brings no others.
    """

    words: ClassVar[str] = "django-telroi could not do this."

    def __str__(self) -> str:
        return super().__str__() or self.words


class ApiError(TelroiError):
    """Talking to Telroi did not end in a value."""

    words = "Telroi gave no answer that can be used."


class ApiUnreachable(ApiError):
    """Nothing was sent, for certain: refused, no such name, connect timeout, failed TLS handshake."""

    words = "Telroi could not be reached, and nothing was sent."


class ApiOutcomeUnknown(ApiError):
    """The request may have been carried out: a timeout, a cut reply, an unreadable 2xx, most 3xx."""

    words = "It is not known whether Telroi did what was asked."


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
        return " ".join(filter(None, ("Telroi answered", str(self.status), self.code)))

    def __repr__(self) -> str:
        wait = f"retry_after={self.retry_after}, scope={self.scope!r}"
        return f"ApiRefused(status={self.status}, code={self.code!r}, {wait})"


class VerificationRefused(TelroiError):
    """No call will be placed for this request.

    ``code`` is stable and public; ``retry_after`` is in seconds, or None where waiting does not help; ``http_status``
    is what a web face answers.
    """

    words = "This request was refused."
    code: ClassVar[str]
    http_status: ClassVar[int]

    def __init__(self, retry_after: int | None = None) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f", retry after {self.retry_after} s"
        return f"{self.words.rstrip('.')} ({self.code}{wait})."


class InvalidNumber(VerificationRefused):
    """Not a phone number."""

    code = "invalid_number"
    words = "This is not a phone number."
    http_status = 400


class NotCallable(VerificationRefused):
    """A number that is never rung: premium, satellite or blocked. A stranger learns no more."""

    code = "not_callable"
    words = "This number is not called: it is blocked, or of a kind that is never called."
    http_status = 400


class RegionNotAllowed(VerificationRefused):
    """A number of a region that this site does not ring."""

    code = "region_not_allowed"
    words = "This site does not call numbers of this region."
    http_status = 400


class InvalidPurpose(VerificationRefused):
    """A purpose that this site does not know."""

    code = "invalid_purpose"
    words = 'The purpose is not in TELROI["PURPOSES"].'
    http_status = 400


class CooldownActive(VerificationRefused):
    """This number was rung too recently."""

    code = "cooldown"
    words = "This number was called too recently."
    http_status = 429


class HourlyLimitReached(VerificationRefused):
    """This number had all the calls of its hour."""

    code = "hourly_limit"
    words = "This number had all the calls of an hour."
    http_status = 429


class DailyLimitReached(VerificationRefused):
    """This number had all the calls of its day."""

    code = "daily_limit"
    words = "This number had all the calls of a day."
    http_status = 429


class NumberHeld(VerificationRefused):
    """Telroi asked us to leave this number alone for a while."""

    code = "held"
    words = "Telroi asked for a pause in calls to this number."
    http_status = 429


class TooManyRequests(VerificationRefused):
    """This requester, not this number, asked too often."""

    code = "too_many_requests"
    words = "This requester asked too often."
    http_status = 429


class SiteLimitReached(VerificationRefused):
    """The site had all the calls of its day."""

    code = "site_limit"
    words = "The site had all the calls of a day."
    http_status = 503


class CallsStopped(VerificationRefused):
    """Staff stopped all calls."""

    code = "calls_stopped"
    words = "Staff stopped all calls."
    http_status = 503


class Misconfigured(VerificationRefused):
    """The site's own set-up, or its key, does not allow calls."""

    code = "misconfigured"
    words = "The site's settings or its API key do not allow calls."
    http_status = 503


class Unavailable(VerificationRefused):
    """No call can be placed just now."""

    code = "unavailable"
    words = "No call can be placed at this moment."
    http_status = 503


class AttemptNotFound(TelroiError):
    """No such attempt, or it belongs to somebody else: the two are not told apart."""

    words = "There is no such attempt, or it belongs to somebody else."
    code: ClassVar[str] = "not_found"


class UserNotFound(TelroiError):
    """The user that was named has no row: it was deleted, and a token or a request outlived it.

    A site that authenticates without the database, as with stateless tokens, meets it. Nothing was counted or called.
    """


class InsideTransaction(TelroiError):
    """The caller's transaction could undo what must stay.

    A call cannot be unplaced and a guess cannot be unjudged. Decorate the view with
    ``@transaction.non_atomic_requests``, or leave the ``atomic`` block before asking.
    """

    words = (
        "A rollback here could undo a call that was placed or a guess that was judged. "
        "Decorate the view with @transaction.non_atomic_requests, or call this outside of atomic()."
    )


class UnstorableText(TelroiError):
    """A text with characters that the site's database does not keep. Nothing was done.

    Half a surrogate pair and NUL are kept by none, emoji not by a MariaDB or MySQL table in ``utf8mb3``. ``argument``
    names the argument.
    """

    words = "The database does not keep all characters of this text."

    def __init__(self, argument: str = "text") -> None:
        super().__init__(argument)
        self.argument = argument

    def __str__(self) -> str:
        return f"{self.argument}: {self.words}"


class ChangedMeanwhile(TelroiError):
    """Others changed the number's row as often as this change was tried. Nothing was done; try again."""

    words = "The number changed in the same moment. Nothing was done; try again."


class SignatureRejected(TelroiError):
    """A webhook that Telroi did not sign.

    ``reason`` is for the log, never for whoever sent it: ``unsigned``, ``wrong_signature`` or ``no_secret``.
    """

    def __init__(self, reason: str = "wrong_signature") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"This webhook is not authentic ({self.reason})."


class ProofRejected(TelroiError):
    """A proof that is forged, expired, spent, or of another purpose."""

    words = "This proof is forged, expired, spent, or of another purpose."
    code: ClassVar[str] = "proof_rejected"
    http_status: ClassVar[int] = 400


class NumberTaken(ProofRejected):
    """A good proof of a number that belongs to another account, on a site that allows one. It stays unspent."""

    words = "The number belongs to another account."
    code = "number_taken"
    http_status = 409
