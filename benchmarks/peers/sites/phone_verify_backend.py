"""A backend of django-phone-verify for the provider, as its documentation tells to write one."""

from __future__ import annotations

from typing import Any

import provider
from phone_verify.backends.base import BaseBackend
from requests import RequestException


class ProviderBackend(BaseBackend):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.exception_class = RequestException

    def generate_message(self, security_code: str, context: Any = None) -> str:
        # The provider reads out a code and no text.
        return security_code

    def send_sms(self, number: str, message: str) -> None:
        provider.call(str(number), message)

    def send_bulk_sms(self, numbers: list[str], message: str) -> None:
        for number in numbers:
            self.send_sms(number, message)
