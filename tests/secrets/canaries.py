"""The secrets of a test, and a search for them in texts."""

from __future__ import annotations

from logging import LogRecord

from django_telroi.simulator import Simulator
from tests.services.world import NUMBER, OTHER_NUMBER
from tests.webhooks.telroi import SECRET

SPELLINGS = (
    *(NUMBER[1:], NUMBER[4:], "+234 803 123 4567", "803 123 4567", "0803 123 4567", "%2B2348031234567", "803-123-4567"),
    *(OTHER_NUMBER[1:], OTHER_NUMBER[4:], "802 987 6543"),
)


COUNTED_BY_PYTHON = {"created", "msecs", "relativeCreated", "thread", "process"}
"""Fields of a log record that logging sets itself. They may contain the six digits of a code by chance."""


def all_of(record: LogRecord) -> str:
    """Return all fields of a log record as text."""
    carried = {name: value for name, value in vars(record).items() if name not in COUNTED_BY_PYTHON}
    return f"{record.name} {record.getMessage()} {carried}"


class Canaries:
    """API keys, a webhook secret, codes, other typed text, and numbers in any spelling."""

    def __init__(self, telroi: Simulator) -> None:
        self.telroi = telroi
        self.typed: set[str] = set()

    def in_(self, text: str) -> list[str]:
        codes = {otp.code for otp in self.telroi.otps} | self.typed
        key = self.telroi.api_key
        return sorted(secret for secret in {key, key[9:], SECRET, *codes, *SPELLINGS} if secret in text)

    def lines_with(self, text: str) -> list[str]:
        return [line for line in text.splitlines() if self.in_(line)]
