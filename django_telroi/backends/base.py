"""The contract of a backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.codes import CodeLength


class Backend(ABC):
    """One way of ringing a number with a code, and of judging the code that comes back.

    ``rings`` says that a call leaves this machine and costs money, so that it must never hang on a transaction that may
    roll back. ``key_digest`` names the key in use without telling it, ``""`` where there is none: a pause that one key
    caused does not hold for another.

    Making one raises Misconfigured if it cannot work as the site is set up.
    """

    rings: ClassVar[bool]
    key_digest: str = ""

    @classmethod
    def spoken_length(cls, asked: int) -> CodeLength:
        """How many digits a call reads out that was asked for ``asked`` of them, as far as this backend knows."""
        return CodeLength(longest=asked, expected=asked, is_certain=False)

    def admit_call(self) -> None:  # noqa: B027 - most backends have nothing to bound
        """Take the place of the next ``place_call`` in the backend's own budget, if it has one.

        It is called before the claim, outside a transaction. Raises ApiRefused if there is no place now, as
        ``place_call`` would.
        """

    def return_call(self) -> None:  # noqa: B027
        """Give back a place that ``admit_call`` took: the claim was lost, so the call will not be placed."""

    def admit_check(self) -> None:  # noqa: B027
        """Take the place of the next ``check_code``. Raises ApiRefused."""

    @abstractmethod
    def place_call(self, to: str, *, code_length: int, language: str | None) -> OtpCall:
        """Ring ``to`` (E.164) once and read out a code. Raises an ApiError; it repeats nothing by itself."""

    @abstractmethod
    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        """Judge ``code`` (4 to 10 ASCII digits) for that call, or without an id for the newest one to ``to``.

        Raises an ApiError.
        """
