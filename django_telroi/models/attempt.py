"""One request for one call, its life, and what happened on the way."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_telroi.domain.phone import mask
from django_telroi.domain.states import Dispatch, Status
from django_telroi.models.database_clock import DbNow
from django_telroi.models.exact import ExactCharField
from django_telroi.models.phone_number import PhoneNumber
from django_telroi.redaction import Secret

STATUS_NAMES = {
    Status.QUEUED: _("queued"),
    Status.DIALING: _("calling"),
    Status.PLACED: _("called"),
    Status.UNKNOWN: _("outcome unknown"),
    Status.VERIFIED: _("verified"),
    Status.LOCKED: _("too many wrong codes"),
    Status.FAILED: _("failed"),
    Status.EXPIRED: _("expired"),
    Status.CANCELED: _("canceled"),
    Status.SUPERSEDED: _("replaced by a newer call"),
}
DISPATCH_NAMES = {Dispatch.INLINE: _("at once"), Dispatch.CELERY: _("by a worker")}


class VerificationAttempt(models.Model):
    """One request for one call.

    ``due_at`` is when the row must be looked at next: queued, when to enqueue it again; dialing, the end of the lease;
    placed and unknown, ``expires_at``; verified, the end of the ten minutes in which the right code counts again; NULL
    once nothing is due. ``placed_at`` means that Telroi accepted the call, not that it was answered.

    ``had_user`` stays true when the user is deleted, also by SQL that sends no signal: such an attempt belongs to
    nobody else. ``is_again`` marks a call that was requested by "call again"; ``followed_by`` is the uuid of the newer
    call that was requested while this one was open.

    ``code_length`` is how many digits this call is asked to read out: ``CODE_LENGTH`` when the call was requested.

    No code is stored. ``judging`` maps the keyed digest of each code whose judgement may not be written yet to the
    tries that it used, and each try to the moment of its newest request; ``asked`` counts the requests to Telroi, and a
    try is named after the request that began it. ``code_digest`` is the keyed digest of the code that was judged right.
    """

    uuid = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    phone = models.ForeignKey(
        PhoneNumber,
        on_delete=models.PROTECT,
        related_name="attempts",
        db_index=False,  # the index below begins with it
        verbose_name=_("number"),
    )
    last4 = models.CharField(_("last digits"), max_length=4)
    region = models.CharField(_("region"), max_length=3, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    purpose = ExactCharField(_("purpose"), max_length=64, blank=True)
    status = models.CharField(
        _("status"), max_length=10, choices=[(status.value, name) for status, name in STATUS_NAMES.items()]
    )
    dispatch = models.CharField(
        _("dispatch"), max_length=6, choices=[(dispatch.value, name) for dispatch, name in DISPATCH_NAMES.items()]
    )
    telroi_id = ExactCharField(_("Telroi's id"), max_length=200, null=True, blank=True)  # unique, or none
    livemode = models.BooleanField(_("live"), null=True, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    code_length = models.PositiveSmallIntegerField(default=6, editable=False)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    max_tries = models.PositiveSmallIntegerField(_("tries allowed"))
    created_at = models.DateTimeField(_("requested"), db_default=DbNow())
    dialed_at = models.DateTimeField(_("dialed"), null=True, blank=True)
    placed_at = models.DateTimeField(_("accepted by Telroi"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"))
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True, db_index=True)
    had_user = models.BooleanField(default=False, editable=False)
    is_again = models.BooleanField(default=False, editable=False)
    followed_by = models.UUIDField(null=True, editable=False)
    asked = models.PositiveSmallIntegerField(default=0, editable=False)
    judging = models.JSONField(default=dict, editable=False)
    code_digest = models.CharField(max_length=64, blank=True, editable=False)
    proof_spent_at = models.DateTimeField(_("proof spent"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_detail = models.CharField(_("Telroi's words"), max_length=200, blank=True)
    requester_ip = models.GenericIPAddressField(_("requester's address"), null=True, blank=True)

    class Meta:
        verbose_name = _("verification attempt")
        verbose_name_plural = _("verification attempts")
        permissions = [("export_attempts", "Can export verification attempts")]
        # Each filter of the list has the index that gives its rows newest first, so that a page is read and no more.
        indexes = [
            models.Index(fields=["phone", "-created_at"], name="telroi_attempt_of_number"),
            models.Index(fields=["created_at"], name="telroi_attempt_by_moment"),
            models.Index(fields=["status", "created_at"], name="telroi_attempt_by_status"),
            models.Index(fields=["error_code", "created_at"], name="telroi_attempt_by_error"),
            models.Index(fields=["purpose", "created_at"], name="telroi_attempt_by_purpose"),
            models.Index(fields=["region", "created_at"], name="telroi_attempt_by_region"),
            models.Index(fields=["livemode", "created_at"], name="telroi_attempt_by_mode"),
        ]
        constraints = [
            # Not ``unique=True``, which on PostgreSQL makes a second index, for LIKE, that every call would pay for.
            models.UniqueConstraint(fields=["telroi_id"], name="telroi_attempt_telroi_id_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in Status]), name="telroi_attempt_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(tries__lte=models.F("max_tries")), name="telroi_attempt_tries_within"
            ),
        ]

    def __str__(self) -> str:
        """The masked number and the primary key.

        Not the public id: without a user it is all that it takes to type a code, and this stands in reports. Reports
        are also written where no query can run, so a number that is not loaded is not read: its last digit stands in.
        """
        is_loaded = VerificationAttempt.phone.is_cached(self)
        return f"{self.masked_number if is_loaded else mask(self.last4)} · {self.pk}"

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any | None = None
    ) -> None:
        """Like Django's. A refresh of the whole row also reads its number's row, in the same SELECT."""
        if fields is None and from_queryset is None and not self.get_deferred_fields():
            rows = VerificationAttempt._base_manager.db_manager(using, hints={"instance": self})
            from_queryset = rows.select_related("phone")
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)

    @property
    def number(self) -> str:
        """E.164. It is in the number's row: load attempts with ``select_related("phone")``, or this is a query."""
        return Secret(self.phone.number)

    @property
    def masked_number(self) -> str:
        """The number as it may be shown. A query if the number's row is not loaded, like ``number``."""
        return mask(self.phone.number)

    @property
    def counted_at(self) -> datetime:
        """The moment that this attempt has in its number's ``calls``."""
        return self.dialed_at or self.created_at

    @property
    def tries_left(self) -> int:
        return max(0, self.max_tries - self.tries)


class EventKind(models.TextChoices):
    """What an attempt's own columns cannot tell."""

    CODE_REJECTED = "code_rejected", _("wrong code")
    CODE_UNJUDGED = "code_unjudged", _("code not judged")
    LATE_REPLY = "late_reply", _("late answer")
    WEBHOOK = "webhook", _("Telroi's webhook")
    ALERT = "alert", _("alert")
    NUMBER_BLOCKED = "number_blocked", _("number blocked")
    NUMBER_UNBLOCKED = "number_unblocked", _("number unblocked")
    HOLD_RELEASED = "hold_released", _("hold released")
    LIMITS_RESET = "limits_reset", _("limits reset")
    NUMBER_REVEALED = "number_revealed", _("full number shown")
    NUMBER_MOVED = "number_moved", _("number moved to another account")
    NUMBER_ERASED = "number_erased", _("number erased")
    CALLS_STOPPED = "calls_stopped", _("all calls stopped")
    CALLS_RESUMED = "calls_resumed", _("calls resumed")


class AttemptEvent(models.Model):
    """Append-only. It belongs to an attempt, or to a number, or to neither; ``digest`` makes a thing happen once."""

    attempt = models.ForeignKey(
        VerificationAttempt,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="events",
        verbose_name=_("attempt"),
    )
    phone = models.ForeignKey(
        PhoneNumber, on_delete=models.CASCADE, null=True, blank=True, related_name="events", verbose_name=_("number")
    )
    kind = models.CharField(_("kind"), max_length=32, choices=EventKind.choices)
    at = models.DateTimeField(_("at"), db_default=DbNow())
    actor = models.CharField(_("by"), max_length=150, blank=True)
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    digest = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    call_id = ExactCharField(max_length=200, null=True, editable=False)
    """Of a webhook that came while the attempt was dialing: the call that it is about, perhaps another system's."""
    try_id = models.PositiveSmallIntegerField(null=True, editable=False)
    """Of a judgement: which try it is about, as in ``VerificationAttempt.judging``."""

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["kind", "at"], name="telroi_event_by_kind"),
            models.Index(fields=["at"], name="telroi_event_by_moment"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
