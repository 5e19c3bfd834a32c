"""What is asked and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from django_telroi.domain.states import Status
from django_telroi.services import AttemptStatus, CheckOutcome, CheckResult
from django_telroi.services.sentences import result_sentence, status_sentence


class Text(serializers.CharField):
    """A string as it was sent. What is wrong with it is for the services to say, in the same words on every face.

    A number in JSON is no string: a code would lose its leading zeros.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.validators = []

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return data if data == "" else super().run_validation(data)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class SecondsField(serializers.DateTimeField):
    """A moment to the second, so that its length says nothing."""

    def to_representation(self, value: datetime) -> Any:
        return super().to_representation(value.replace(microsecond=0))


class PhoneStartSerializer(serializers.Serializer[Any]):
    """A number to be called."""

    number = Text(help_text="As a person types it; with + and the country code it is understood everywhere.")
    purpose = Text(default="", help_text="What the phone is verified for, one of the site's PURPOSES.")
    language = Text(
        required=False, allow_null=True, help_text="The language that is spoken, as a BCP 47 tag such as en or pt-BR."
    )


class PhoneCodeSerializer(serializers.Serializer[Any]):
    """The code that was read out. Spaces, dashes and invisible characters in it do not matter."""

    code = Text(
        style={"autocomplete": "off"},
        help_text="The digits, of any one script; spaces, dashes and invisible characters are passed over.",
    )


class PhoneProofSerializer(serializers.Serializer[Any]):
    """A proof whose number is to be added to the caller's account."""

    proof = Text(help_text="What a check answered, within 10 minutes.")
    purpose = Text(default="", help_text="The purpose of the verification that the proof comes from.")


class PhoneVerificationSerializer(serializers.Serializer[AttemptStatus]):
    """One call to one number and what became of it."""

    id = serializers.UUIDField(source="attempt.uuid", help_text="Whoever knows it may follow and finish this.")
    status = serializers.ChoiceField(choices=[str(each) for each in Status], source="attempt.status")
    number = serializers.CharField(source="attempt.masked_number", help_text="Masked.")
    purpose = serializers.CharField(source="attempt.purpose")
    tries_left = serializers.IntegerField(min_value=0)
    expires_at = SecondsField(source="attempt.expires_at", help_text="Until when the code may be typed.")
    call_again_in = serializers.IntegerField(
        min_value=0, help_text="Seconds until another call may be asked for; 0 is now."
    )
    detail = serializers.SerializerMethodField(help_text="What to tell the person.")

    def get_detail(self, standing: AttemptStatus) -> str:
        return status_sentence(standing)


class PhoneCheckSerializer(serializers.Serializer[CheckResult]):
    """What came of a code."""

    verified = serializers.SerializerMethodField()
    outcome = serializers.ChoiceField(choices=[str(each) for each in CheckOutcome])
    tries_left = serializers.IntegerField(min_value=0)
    proof = serializers.CharField(
        allow_null=True,
        help_text="Set if the verification was started without a user: good once, for 10 minutes.",
    )
    detail = serializers.SerializerMethodField(help_text="What to tell the person.")

    def get_verified(self, result: CheckResult) -> bool:
        return result.outcome == CheckOutcome.VERIFIED

    def get_detail(self, result: CheckResult) -> str:
        return result_sentence(result)


class VerifiedPhoneSerializer(serializers.Serializer[Any]):
    """A number that the user answered."""

    number = serializers.CharField(help_text="E.164.")
    purpose = serializers.CharField()
    verified_at = SecondsField()


class PhoneProblemSerializer(serializers.Serializer[Any]):
    """Why there is no answer.

    A method that an address does not take is answered in the same shape, with 405 and `method_not_allowed`. The site's
    own authentication and permissions may bring further codes.
    """

    code = serializers.CharField(help_text="A stable word.")
    detail = serializers.CharField(help_text="What to tell the person, in the request's language.")
    retry_after = serializers.IntegerField(
        allow_null=True, min_value=1, help_text="Seconds until it makes sense to ask again; null where it never will."
    )
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="With `invalid`: what is wrong, by field."
    )
