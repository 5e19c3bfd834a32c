"""The serializers of request bodies and response bodies. Their texts are in the OpenAPI schema."""

from __future__ import annotations

from copy import copy
from datetime import datetime
from functools import cache
from typing import Any

from rest_framework import ISO_8601, serializers

from django_telroi.domain.states import Status
from django_telroi.services import AttemptStatus, CheckOutcome, CheckResult
from django_telroi.services.sentences import result_sentence, status_sentence

__all__ = [
    "PhoneCallSerializer",
    "PhoneCheckSerializer",
    "PhoneCodeSerializer",
    "PhoneProblemSerializer",
    "PhoneProofSerializer",
    "PhoneStartSerializer",
    "PhoneStoredStartSerializer",
    "PhoneVerificationSerializer",
    "VerifiedPhoneSerializer",
]


@cache
def _shared_serializer(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    return serializer()


def body_of(serializer: type[serializers.Serializer[Any]], value: object) -> dict[str, Any]:
    """Return the body of a response for ``value``. The fields are made once: DRF copies them for each serializer."""
    return dict(_shared_serializer(serializer).to_representation(value))


class Text(serializers.CharField):
    """A string, passed on unchanged. The services validate it, so that pages and API give the same messages.

    A JSON number is rejected, because a code would lose its leading zeros.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        # DRF adds validators that reject NUL and half surrogate pairs with its own sentences. The services reject such
        # a number or code too, with the sentence of the pages.
        self.validators = []

    def __deepcopy__(self, memo: object) -> Text:
        # DRF copies the declared fields for each request, by calling ``__init__`` again. Nothing in a ``Text`` changes
        # but its name and its parent, so a shallow copy does.
        return copy(self)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # DRF would say "This field may not be blank." The services say what is missing.
        return data if data == "" else super().run_validation(data)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class SecondsField(serializers.DateTimeField):
    """A date and time in whole seconds. With microseconds its length would vary.

    It is in ISO 8601 also if the project has a ``DATETIME_FORMAT``: an app reads it, and the schema says so.
    """

    format = ISO_8601

    def to_representation(self, value: datetime) -> Any:
        return super().to_representation(value.replace(microsecond=0))


class PhoneCallSerializer(serializers.Serializer[Any]):
    """A request for a call. On most sites the body is empty."""

    bot_token = Text(
        required=False,
        allow_null=True,
        help_text="The token of the site's bot check (BOT_CHECK), such as Turnstile or hCaptcha. Ignored on a site "
        "without one.",
    )


class PhoneStartSerializer(PhoneCallSerializer):
    """The number to call."""

    number = Text(
        help_text="The number as a person types it. Without + and the country code, the site's DEFAULT_REGION applies."
    )
    purpose = Text(default="", help_text="The purpose of the verification, one of the site's PURPOSES.")
    language = Text(
        required=False, allow_null=True, help_text="The language of the call, as a BCP 47 tag such as en or pt-BR."
    )
    consent = Text(
        required=False,
        allow_null=True,
        help_text="The version of the text of consent that your app showed to the person. Required, and the site's "
        "current CONSENT_VERSION, on a site that has one.",
    )


class PhoneStoredStartSerializer(PhoneStartSerializer):
    """A call to the number that the site has for the user."""

    number = None  # type: ignore[assignment]  # None removes a field of the base class


class PhoneCodeSerializer(serializers.Serializer[Any]):
    """The code that the call read out."""

    code = Text(
        style={"autocomplete": "off"},
        help_text="The digits, in any one script. Spaces, dashes and invisible characters are ignored.",
    )


class PhoneProofSerializer(serializers.Serializer[Any]):
    """A proof. Its number is added to the account of the user."""

    proof = Text(help_text="The `proof` in the response of a check. It is valid for 10 minutes.")
    purpose = Text(default="", help_text="The purpose of the verification that gave the proof.")


class PhoneVerificationSerializer(serializers.Serializer[AttemptStatus]):
    """A verification: one call to one number, and its status."""

    id = serializers.UUIDField(
        source="attempt.uuid",
        help_text="Keep it secret. If the verification has no user, the id alone allows to read, check and cancel it.",
    )
    status = serializers.ChoiceField(choices=[str(each) for each in Status], source="attempt.status")
    number = serializers.CharField(source="attempt.masked_number", help_text="The number, masked.")
    purpose = serializers.CharField(source="attempt.purpose")
    tries_left = serializers.IntegerField(min_value=0)
    code_length = serializers.IntegerField(
        min_value=1,
        help_text="How many digits the code probably has. Send a code of another length too: the site decides.",
    )
    expires_at = SecondsField(
        source="attempt.expires_at",
        help_text="While the status is `placed` or `unknown`, the code can be typed until then. A `queued` call can "
        "expire earlier, and this time changes when its call is placed.",
    )
    call_again_in = serializers.IntegerField(
        min_value=0, help_text="Seconds until another call may be requested; 0 means now."
    )
    wrong_codes_left = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        help_text="After how many more wrong codes new calls must wait. null while there are few wrong codes, and once "
        "new calls wait (`call_again_in`).",
    )
    detail = serializers.SerializerMethodField(help_text="A sentence for the person.")

    def get_detail(self, status: AttemptStatus) -> str:
        return status_sentence(status)


class PhoneCheckSerializer(serializers.Serializer[CheckResult]):
    """The result of checking a code."""

    verified = serializers.SerializerMethodField()
    outcome = serializers.ChoiceField(choices=[str(each) for each in CheckOutcome])
    tries_left = serializers.IntegerField(min_value=0)
    wrong_codes_left = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        help_text="After how many more wrong codes new calls must wait. null while there are few wrong codes, and once "
        "new calls wait (`call_again_in`).",
    )
    proof = serializers.CharField(
        allow_null=True,
        help_text="Set if the verification was started without a user. It can be redeemed once, for 10 minutes.",
    )
    detail = serializers.SerializerMethodField(help_text="A sentence for the person.")

    def get_verified(self, result: CheckResult) -> bool:
        return result.outcome == CheckOutcome.VERIFIED

    def get_detail(self, result: CheckResult) -> str:
        return result_sentence(result)


class VerifiedPhoneSerializer(serializers.Serializer[Any]):
    """A number that the user verified."""

    number = serializers.CharField(help_text="The full number in E.164 format.")
    purpose = serializers.CharField()
    verified_at = SecondsField()


class PhoneProblemSerializer(serializers.Serializer[Any]):
    """An error.

    A method that a URL does not support has the same body, with status 405 and the code `method_not_allowed`. The
    site's own authentication and permissions may add further codes.
    """

    code = serializers.CharField(help_text="A stable code. Your program can depend on it.")
    detail = serializers.CharField(
        help_text="A sentence for the person, in the language of the request. If the request itself is wrong, such as "
        "invalid JSON or a missing CSRF token, it is for developers and may be in English."
    )
    retry_after = serializers.IntegerField(
        allow_null=True,
        min_value=1,
        help_text="Seconds until the request can be sent again; null if waiting does not help or the time is unknown.",
    )
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False,
        help_text="The errors of each field: with the code `invalid` as texts, with `invalid_number` as objects with "
        "`message` and a stable `code`.",
    )
    suggestions = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Numbers in E.164 format that the person may mean. Ask them before you call one. Only with the code "
        "`invalid_number`.",
    )
