"""The table of numbers with the state of their limits, and the table of verified phones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.number_limits import Rule
from django_telroi.domain.phone import mask
from django_telroi.models.database_clock import DbNow
from django_telroi.models.exact import ExactCharField
from django_telroi.models.sealed import SealedCharField

RULE_NAMES = {
    Rule.COOLDOWN: _("cooling down"),
    Rule.HOURLY_LIMIT: _("hour full"),
    Rule.DAILY_LIMIT: _("day full"),
    Rule.HELD: _("held by the provider"),
}


class PhoneNumber(models.Model):
    """One row for each number, with the state of its limits. Limits are not counted from the history of attempts.

    ``calls`` are the moments of the calls that count, newest first, as ISO 8601 in UTC. Decisions are computed from
    ``calls``, the hold and the block. ``next_call_at`` and ``limited_by`` are the stored result, for lists.
    """

    number = SealedCharField(_("number"), part=SealedPart.NUMBER, unique=True)
    last4 = SealedCharField(_("last digits"), part=SealedPart.LAST4)
    region = models.CharField(_("region"), max_length=3, blank=True)
    # A list and not a table: one conditional UPDATE of this row counts a call, and a purge of attempts changes nothing.
    calls = models.JSONField(_("calls that count"), default=list, blank=True)
    last_call_at = models.DateTimeField(_("last call"), null=True, blank=True)
    next_call_at = models.DateTimeField(_("next call possible"), null=True, blank=True, db_index=True)
    limited_by = models.CharField(
        _("limited by"), max_length=16, blank=True, choices=[(rule.value, name) for rule, name in RULE_NAMES.items()]
    )
    held_at = models.DateTimeField(_("held by the provider since"), null=True, blank=True)
    held_until = models.DateTimeField(_("held by the provider until"), null=True, blank=True)
    held_reason = models.CharField(_("reason of the hold"), max_length=200, blank=True)
    blocked_at = models.DateTimeField(_("blocked"), null=True, blank=True)
    blocked_by = models.CharField(_("blocked by"), max_length=150, blank=True)
    blocked_reason = models.CharField(_("reason of the block"), max_length=200, blank=True)
    # Of attempts without a user. Those of a user are in ``UserWrongCodes``, so that strangers never bar a user.
    wrong_codes = models.PositiveIntegerField(_("consecutive wrong codes"), default=0)
    last_wrong_code_at = models.DateTimeField(_("last wrong code"), null=True, blank=True)
    # The owner asked not to be called. Only a reason lifts such a block.
    blocked_by_owner = models.BooleanField(
        pgettext_lazy("state of a number", "blocked at its owner's wish"), default=False
    )
    # Written with a block of staff, so that it stays when the owner's block is lifted: see ``has_staff_block``.
    blocked_by_staff = models.BooleanField(pgettext_lazy("state of a number", "blocked by staff"), default=False)
    created_at = models.DateTimeField(_("first seen"), db_default=DbNow())
    # Each write adds one. The WHERE clause of an UPDATE has the version that was read, so only one of two writers wins.
    version = models.PositiveBigIntegerField(default=0, editable=False)

    was_changed: bool = True
    """Of the row that a staff action returns: False if there was nothing to change. It is not stored."""

    class Meta:
        verbose_name = _("phone number")
        verbose_name_plural = _("phone numbers")
        # Not ``db_index=True``: on PostgreSQL it adds a second index on text, for LIKE, that every call would update.
        indexes = [
            models.Index(fields=["last4"], name="telroi_number_by_last4"),
            models.Index(fields=["last_call_at"], name="telroi_number_by_last_call"),
            models.Index(fields=["region"], name="telroi_number_by_region"),
            models.Index(fields=["blocked_at"], name="telroi_number_by_block"),
            models.Index(fields=["last_wrong_code_at"], name="telroi_number_by_wrong_code"),
        ]
        permissions = [
            ("view_full_number", "Can see a full phone number"),
            ("block_number", "Can block and unblock phone numbers"),
            ("release_number", "Can release a hold of the provider"),
            ("reset_limits", "Can reset the limits of a number"),
            ("reset_wrong_codes", "Can reset the wrong codes of a number or a user"),
            ("move_number", "Can move a verified number to another account"),
            ("erase_number", "Can erase a phone number and all its rows"),
            ("view_overview", "Can see the overview of all calls"),
        ]

    def __str__(self) -> str:
        return mask(self.number)

    @property
    def has_staff_block(self) -> bool:
        """Whether staff blocked the number. A block without both flags, as of a fixture, is one of staff."""
        return self.blocked_at is not None and (self.blocked_by_staff or not self.blocked_by_owner)

    @property
    def moments(self) -> tuple[datetime, ...]:
        """``calls`` as aware datetimes, newest first."""
        return tuple(datetime.fromisoformat(moment) for moment in self.calls)

    @moments.setter
    def moments(self, moments: Sequence[datetime]) -> None:
        self.calls = [moment.astimezone(UTC).isoformat() for moment in moments]


class VerifiedPhone(models.Model):
    """A user verified this number for this purpose. ``has_verified_phone`` and the gates read this table."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="verified_phones", verbose_name=_("user")
    )
    number = SealedCharField(_("number"), part=SealedPart.NUMBER)
    purpose = ExactCharField(_("purpose"), max_length=64, blank=True)
    # For rows of fixtures and factories. The services write the time of the database.
    verified_at = models.DateTimeField(_("verified"), default=timezone.now)
    attempt = models.ForeignKey(
        "django_telroi.VerificationAttempt",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("attempt"),
    )

    class Meta:
        verbose_name = _("verified phone")
        verbose_name_plural = _("verified phones")
        indexes = [
            models.Index(fields=["number", "verified_at"], name="telroi_verified_of_number"),
            models.Index(fields=["verified_at"], name="telroi_verified_by_moment"),
            models.Index(fields=["purpose", "verified_at"], name="telroi_verified_by_purpose"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "number", "purpose"], name="telroi_verified_phone_once"),
        ]

    def __str__(self) -> str:
        return mask(self.number)
