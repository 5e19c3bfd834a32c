"""The serializers of django-phone-verify, with its names, fields and messages.

The messages are not translated: installed apps may compare them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers

from django_telroi import conf, limits, services
from django_telroi.domain.phone import parse_phone
from django_telroi.errors import AttemptNotFound, InvalidNumber
from django_telroi.redaction import Secret
from django_telroi.rest.django_request import django_request
from django_telroi.rest.ids import read_uuid
from django_telroi.rest.problems import CodeNotChecked
from django_telroi.rest.serializers import Text
from django_telroi.services import CheckOutcome, CheckResult
from django_telroi.services.sentences import result_sentence

__all__ = ["PhoneSerializer", "SMSVerificationSerializer"]

NOT_VALID = "Security code is not valid"

MESSAGES: Mapping[CheckOutcome, str] = {
    CheckOutcome.WRONG_CODE: NOT_VALID,
    CheckOutcome.INVALID_CODE: NOT_VALID,
    CheckOutcome.EXPIRED: "Security code has expired",
    CheckOutcome.ALREADY_VERIFIED: "Security code is already verified",
    CheckOutcome.LOCKED: "Too many failed verification attempts. Please request a new code.",
}
"""The messages of django-phone-verify. Other outcomes do not exist there, and have our sentence."""


class PhoneNumberField(serializers.CharField):
    """A phone number. Its value is in E.164 form."""

    default_error_messages = {"invalid": "Enter a valid phone number."}

    @sensitive_variables()
    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        try:
            return Secret(parse_phone(text, default_region=conf.default_region()).number)
        except InvalidNumber:
            self.fail("invalid")


class PhoneSerializer(serializers.Serializer[Any]):
    """The number to call."""

    phone_number = PhoneNumberField()
    # New: clients of django-phone-verify do not send it, and a site without ``BOT_CHECK`` ignores it.
    bot_token = Text(required=False, allow_null=True)


class SMSVerificationSerializer(serializers.Serializer[Any]):
    """Checks the code. ``is_valid`` is True if it is right. The name is that of django-phone-verify; no SMS is sent.

    Pass ``context={"request": request}``, as views of REST framework do: the requester is then limited. ``is_valid``
    may run in a transaction, except with ``CODES = "telroi"``.
    """

    phone_number = PhoneNumberField()
    session_token = serializers.CharField(max_length=500)
    security_code = serializers.CharField(max_length=120)

    @property
    def proof(self) -> str | None:
        """The proof of the number, after ``is_valid``. None if a user was logged in, because it is in their record."""
        return self._result.proof

    def redeem(self, user: AbstractBaseUser) -> None:
        """Write the verified number to ``user``, in the transaction that creates them. Call it after ``is_valid``.

        Raises ProofRejected and NumberTaken, which are ValidationErrors of Django, and Unavailable.
        """
        if self.proof is not None:
            services.redeem_proof(self.proof, purpose="", user=user)

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        self._result = self._check(attrs)
        outcome = self._result.outcome
        if outcome == CheckOutcome.UNAVAILABLE:
            raise CodeNotChecked
        if outcome == CheckOutcome.VERIFIED and self.proof is None and self._result.attempt.user_id is None:
            outcome = CheckOutcome.ALREADY_VERIFIED  # its proof is spent: one code makes one account
        if outcome != CheckOutcome.VERIFIED:
            raise serializers.ValidationError(MESSAGES.get(outcome) or result_sentence(self._result))
        return attrs

    @sensitive_variables()
    def _check(self, attrs: dict[str, Any]) -> CheckResult:
        request = self.context.get("request")
        user = getattr(request, "user", None)
        uuid = read_uuid(attrs["session_token"])
        try:
            # Looked up first: a code that is typed for another number must not use a try of this one.
            if uuid is None or services.follow(uuid, user=user).attempt.number != attrs["phone_number"]:
                raise AttemptNotFound
            if request is None:
                return services.check_code(uuid, attrs["security_code"], inside_transaction=True)
            http_request = django_request(request)
            return limits.check_code(http_request, uuid, attrs["security_code"], user=user, inside_transaction=True)
        except AttemptNotFound:
            raise serializers.ValidationError(NOT_VALID) from None
