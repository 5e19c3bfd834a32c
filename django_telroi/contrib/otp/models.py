"""The device: a phone that is called at the login, and the attempt of its newest call."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, services
from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.phone import Phone, mask, parse_phone, refuse_uncallable
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.errors import AttemptNotFound, InvalidNumber, Unavailable, VerificationRefused
from django_telroi.models.sealed import SealedCharField
from django_telroi.packages import DJANGO_OTP
from django_telroi.redaction import redact_arguments
from django_telroi.services import CheckOutcome
from django_telroi.services.attempts.status import status_of
from django_telroi.services.sentences import NO_CODE_CHECKED, SENTENCES, sentence, status_sentence
from django_telroi.services.shared.transactions import is_in_callers_transaction, write_alias

with DJANGO_OTP.needed_for("django_telroi.contrib.otp"):
    from django_otp.models import CooldownMixin, Device, ThrottlingMixin, TimestampMixin

__all__ = ["CallDevice", "ChallengeRefused"]

PURPOSE = "two-factor"
"""The purpose of these calls. It need not be in ``PURPOSES``, which is for pages and the API."""

NOT_JUDGED = frozenset({CheckOutcome.UNAVAILABLE, CheckOutcome.IN_PROGRESS, CheckOutcome.NOT_READY})
"""After these outcomes the person can type the same code again, so they do not count as a failure."""


class ChallengeRefused(Exception):
    """No call was placed. ``str()`` is the sentence for the person, because django-otp's forms show it.

    ``refusal`` is the VerificationRefused, with its code and wait.
    """

    def __init__(self, refusal: VerificationRefused) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        return sentence(self.refusal.code, retry_after=self.refusal.retry_after)


def _phone(number: str) -> Phone:
    return parse_phone(number, default_region=conf.default_region())


def validate_number(number: str) -> None:
    """Raise ValidationError if the number is invalid or never called."""
    try:
        refuse_uncallable(_phone(number), conf.calling_rules())
    except VerificationRefused as refusal:
        raise ValidationError(sentence(refusal.code), code=refusal.code) from None


class CallDevice(TimestampMixin, CooldownMixin, ThrottlingMixin, Device):
    """A phone of a user. ``generate_challenge`` calls it, and ``verify_token`` checks the code that was read out.

    No column has the code. ``attempt_uuid`` is the attempt of the newest call. It is None before the first call and
    after a code was accepted.
    """

    number = SealedCharField(
        gettext_lazy("number"),
        part=SealedPart.NUMBER,
        validators=[validate_number],
        help_text=gettext_lazy("The phone that is called, with its country code."),
    )
    attempt_uuid = models.UUIDField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = gettext_lazy("phone for calls")
        verbose_name_plural = gettext_lazy("phones for calls")

    def __str__(self) -> str:
        return f"{self.name} ({self.masked_number})"

    @property
    def masked_number(self) -> str:
        return mask(self.number)

    def clean(self) -> None:
        """Write the number in E.164. An invalid one is reported by the field's validator."""
        super().clean()
        with suppress(InvalidNumber):
            self.number = str(_phone(self.number).number)

    @sensitive_variables()
    def generate_challenge(self) -> str:
        """Call the phone. Returns the sentence for the person.

        In a transaction, as in django-otp's forms, the phone is called after the commit. Raises ChallengeRefused if no
        call may be placed now, or if the call failed.
        """
        try:
            # A confirmed device is called after the password of its user.
            is_known = True if self.confirmed else None
            attempt = services.start_verification(
                self.number, user=self.user, purpose=PURPOSE, admit=lambda _call: services.Admission(is_known=is_known)
            )
            self.attempt_uuid = attempt.uuid
            self.cooldown_set(commit=False)
            self.save(update_fields=["attempt_uuid", "last_generated_timestamp"])
            status = status_of(attempt, user=self.user)
            if status.refusal:
                raise status.refusal
        except VerificationRefused as refusal:
            raise ChallengeRefused(refusal) from None
        return status_sentence(status)

    def verify_is_allowed(self) -> tuple[bool, dict[str, Any] | None]:
        """Return ``(True, None)`` if a code can be checked now. Otherwise the dict has the reason.

        It has ``reason`` and ``failure_count`` after wrong codes (VerifyNotAllowed), or the sentence for the person in
        ``error_message`` if the newest call takes no code.
        """
        is_allowed, facts = super().verify_is_allowed()
        if not is_allowed:
            return is_allowed, facts
        message = self._why_no_code_is_accepted()
        return (False, {"error_message": message}) if message else (True, None)

    def _why_no_code_is_accepted(self) -> str:
        """Return why the newest call accepts no code, as a sentence for the person. ``""`` if it accepts one."""
        if self.attempt_uuid is None:
            return _("There is no call whose code could be checked. Ask for a call first.")
        try:
            status = services.follow(self.attempt_uuid, user=self.user)
        except AttemptNotFound as error:
            return str(SENTENCES[error.code])
        except Unavailable as error:
            return sentence(error.code)
        attempt = status.attempt
        if attempt.status == Status.VERIFIED:
            return _("This code was used already. Ask for another call.")
        if attempt.status not in CHECKABLE:
            return status_sentence(status)
        if attempt.judge == Judge.TELROI and is_in_callers_transaction(write_alias()):
            # Telroi made this code, and it cannot be asked while the caller's transaction holds locks.
            return str(NO_CODE_CHECKED)
        return ""

    @redact_arguments("token")
    @sensitive_variables()
    def verify_token(self, token: str) -> bool:
        """Check the code, and return whether it is right. It is accepted once.

        A rollback of the caller's transaction does not give a try back: the tries are also counted in the cache.
        """
        is_allowed, _facts = self.verify_is_allowed()
        if not is_allowed or self.attempt_uuid is None:
            return False
        try:
            result = services.check_code(self.attempt_uuid, str(token), user=self.user, inside_transaction=True)
        except (AttemptNotFound, Unavailable):
            return False
        if result.outcome == CheckOutcome.VERIFIED:
            return self._use_code()
        if result.outcome not in NOT_JUDGED:
            self.throttle_increment(commit=False)
            self.save(update_fields=["throttling_failure_timestamp", "throttling_failure_count"])
        return False

    def _use_code(self) -> bool:
        """Mark the code as used and reset the throttle. Return False if another request did so first.

        ``check_code`` accepts the right code again for ten minutes. One conditional UPDATE decides which request wins,
        also for callers that do not lock the row.
        """
        used = {
            "attempt_uuid": None,
            "last_used_at": timezone.now(),
            "throttling_failure_timestamp": None,
            "throttling_failure_count": 0,
        }
        rows = type(self)._base_manager.filter(pk=self.pk, attempt_uuid=self.attempt_uuid)
        if not rows.update(**used):
            return False
        for name, value in used.items():
            setattr(self, name, value)
        return True

    def get_cooldown_duration(self) -> float:
        """Return ``COOLDOWN_SECONDS``, so that ``generate_is_allowed`` agrees with the number's own cooldown."""
        return conf.policy().cooldown.total_seconds()

    def get_throttle_factor(self) -> float:
        """Return the setting ``OTP_TELROI_THROTTLE_FACTOR``, 1 if unset. With 0 only the tries of a call apply."""
        factor: float = getattr(settings, "OTP_TELROI_THROTTLE_FACTOR", 1)
        return factor
