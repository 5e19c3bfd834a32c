"""The old site's SMS provider."""

from __future__ import annotations

from typing import Any

from phone_verify.backends.base import BaseBackend

sent: dict[str, str] = {}


class SmsBackend(BaseBackend):
    exception_class: Any = RuntimeError

    def __init__(self, **options: Any) -> None:
        self.exception_class = RuntimeError

    def send_sms(self, number: str, message: str) -> None:
        sent[str(number)] = message.removeprefix("Your code is ").removesuffix(".")

    def send_bulk_sms(self, numbers: list[str], message: str) -> None:
        for number in numbers:
            self.send_sms(number, message)
