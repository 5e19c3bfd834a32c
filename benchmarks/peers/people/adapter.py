"""The adapter that the documentation of django-allauth asks for: it stores phones and sends codes."""

from __future__ import annotations

from typing import Any

import provider
from allauth.account.adapter import DefaultAccountAdapter

from people.models import User


class PhoneAdapter(DefaultAccountAdapter):
    def set_phone(self, user: Any, phone: str, verified: bool) -> None:  # noqa: FBT001 - allauth's signature
        User.objects.filter(pk=user.pk).update(phone=phone, phone_verified=verified)
        user.phone, user.phone_verified = phone, verified

    def get_phone(self, user: Any) -> tuple[str, bool] | None:
        return (user.phone, user.phone_verified) if user.phone else None

    def set_phone_verified(self, user: Any, phone: str) -> None:
        self.set_phone(user, phone, verified=True)

    def get_user_by_phone(self, phone: str) -> User | None:
        return User.objects.filter(phone=phone).order_by("-phone_verified").first()

    def send_verification_code_sms(self, user: Any, phone: str, code: str, **kwargs: Any) -> None:
        provider.call(phone, code)
