"""The contract of a backend. ``docs/howto/backends.rst`` writes a whole one; ``django_telroi.testing`` tests one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.codes import CodeLength


class Backend(ABC):
    """One way of ringing a number with a code, and of judging the code that comes back.

    **Making one.** It is made without arguments, once or more for each request, so the constructor must be cheap: read
    settings, send nothing. It raises Misconfigured if it cannot work as the site is set up; any other exception counts
    as the same, and is logged by its type.

    **Raising.** ``place_call`` and ``check_code`` raise one of three errors of ``django_telroi.errors``, and what is
    raised decides what the person pays for:

    * ApiUnreachable: nothing was sent, for certain. A call is tried once more at once, and no try is used.
    * ApiRefused: the provider answered no. Its ``status`` is an HTTP status, and is read as Telroi's would be: 400 and
      422 say that the request is wrong, 404 that there is no such call, 401 and 403 that the key is, 429 that there
      were too many requests, 503 with the code ``service_unavailable`` that nothing was looked at.
    * ApiOutcomeUnknown: everything else. The phone may ring; the code may have been judged.

    Any other exception, and a reply that is none, counts as ApiOutcomeUnknown and is logged as ``backend_failed``.
    An exception that tells nothing of whether the request was sent must never become ApiUnreachable.

    **Never repeating.** A method sends its request at most once. It ends within ``TOTAL_TIMEOUT_SECONDS``: 15 seconds
    later the attempt counts as lost.

    **Transactions.** No method is called while the caller's transaction is open, and none may leave one open.

    ``rings``: calls leave this machine and cost money, so they may be handed to a worker (``DISPATCH``). False keeps
    them in the process that was asked. ``key_digest``: names the key in use without telling it, 64 printable characters
    at most, and ``""`` where there is none; a pause that one key caused does not hold for another.
    """

    rings: ClassVar[bool] = True
    judges_by_number: ClassVar[bool] = True
    """False if ``check_code`` needs an id. A call whose id is unknown then ends as ``expired``: no code can be checked
    for it, so ``check_code`` is never asked with ``call_id=None``."""
    key_digest: str = ""

    @classmethod
    def provider_url(cls) -> str:
        """The URL that requests are sent to. It is read in test runs only.

        A test run refuses a backend that ``rings``, unless the host of this URL is 127.0.0.1, ::1 or localhost: then a
        test double answers. ``""`` is refused too.
        """
        return ""

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        """How many digits a call reads out that was asked for ``asked`` of them, as far as this backend knows.

        A code with other digits than that may be refused without asking ``check_code``.
        """
        return CodeLength(longest=asked, expected=asked, is_certain=False)

    def judges_by_id(self, call_id: str) -> bool:
        """Whether ``check_code`` can be asked about a call by this id. Where not, it is asked by number.

        ``call_id`` is an id that was written down for a call, perhaps by another backend that the site used before.
        """
        return True

    def admit_call(self) -> None:  # noqa: B027 - most backends have nothing to bound
        """Take the slot of the next ``place_call`` in the backend's own budget, if it has one.

        It is called before the call is claimed, outside a transaction. Raises ApiRefused if there is no slot now.
        """

    def return_call(self) -> None:  # noqa: B027
        """Give back a slot that ``admit_call`` took: the claim was lost, so the call will not be placed."""

    def admit_check(self) -> None:  # noqa: B027
        """Take the slot of the next ``check_code``. Raises ApiRefused."""

    @abstractmethod
    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        """Ring ``to`` (E.164) once and read out a code.

        ``code_length``: digits of the code, 4 to 10; a provider that reads out fewer says so in ``spoken_length``.
        ``language``: a BCP 47 tag, or None for the provider's own choice; one that it does not speak is no error.
        ``code``: 4 to 10 ASCII digits to read out instead of a code of the provider's. The reply's ``verification`` is
        then ``"client"``. A provider that cannot do this raises ``ApiRefused(422)``.

        Returns the call. Its ``id`` is 1 to 200 printable characters and different for every call: any text will do,
        and comes back as ``call_id``. Without a usable id the call counts as unknown.
        """

    @abstractmethod
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        """Judge ``code`` (4 to 10 ASCII digits) for the call ``call_id``, whose number is ``to``.

        ``call_id`` is None where no id is known (the answer to ``place_call`` was lost) or ``judges_by_id`` said no:
        the code is then judged for the newest call to ``to``. A backend that cannot do this sets ``judges_by_number``
        to False and never gets None.

        Another instance, in another process, may have placed the call.
        """
