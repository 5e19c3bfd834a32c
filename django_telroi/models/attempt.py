"""The table of attempts, and the table of events. See "States of an attempt" in docs/explanation/how.rst."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections, models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.phone import mask
from django_telroi.domain.states import Dispatch, Judge, Status
from django_telroi.models.call_control import CallControl
from django_telroi.models.consent_text import ConsentText
from django_telroi.models.database_clock import DbNow
from django_telroi.models.exact import ExactCharField
from django_telroi.models.phone_number import PhoneNumber
from django_telroi.models.sealed import SealedCharField
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
JUDGE_NAMES = {
    Judge.UNDECIDED: _("not known yet"),
    Judge.SITE: _("this site"),
    Judge.TELROI: _("the provider"),
    Judge.CALLER: _("another package of this site"),
}
DISPATCH_NAMES = {
    Dispatch.INLINE: _("at once"),
    Dispatch.CELERY: _("by a worker"),
    Dispatch.TASKS: _("by a worker"),
}


class VerificationAttempt(models.Model):
    """One requested call.

    ``due_at`` is when the row must be processed next. ``queued``: when the call is enqueued again. ``dialing``: the end
    of the lease. ``placed`` and ``unknown``: ``expires_at``. ``verified``: the end of the ten minutes in which the
    right code is accepted again. NULL: nothing is due. ``placed_at`` means that Telroi accepted the call, not that a
    person answered it.

    ``had_user`` stays true when the user is deleted, also by SQL that sends no signal. Such an attempt belongs to no
    other user. ``is_again`` marks a call that was requested by "call again". ``followed_by`` is the uuid of the newer
    call that was requested while this one was open. ``key_name`` is the name of the key in ``API_KEYS`` with which the
    call is placed and its codes are checked. ``known_requester``: whether the requester was known with the
    number, None if no calls were reserved for such people.

    ``code_length`` is the number of digits that this call is asked to read out: ``CODE_LENGTH`` at the request.

    ``judge`` says who judges the codes. No code is stored. ``code_digest`` is a keyed digest, or empty. While this site
    judges the codes, or may judge them, it is the digest of the code that the call reads out. After success it is that
    of the right code.

    ``judging`` is used only while Telroi judges the codes, or may judge them. It maps the keyed digest of each code
    whose judgement may not be written yet to the tries that it used, and each try to the moment of its newest request
    to Telroi. ``asked`` rises with every use and every return of a try while the attempt takes codes. UPDATEs compare
    it, to detect that another request changed the tries. The id of a try is the value of ``asked`` when the try was
    reserved.
    """

    # The public id cannot be guessed, because it is the only secret of an attempt without a user.
    uuid = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    phone = models.ForeignKey(
        PhoneNumber,
        on_delete=models.PROTECT,  # ``purge`` deletes a number only after its attempts
        related_name="attempts",
        db_index=False,  # the index on (phone, -created_at) also serves look-ups by phone
        verbose_name=_("number"),
    )
    # Copies of the number's columns: lists and statistics of attempts need no join.
    last4 = SealedCharField(_("last digits"), part=SealedPart.LAST4)
    region = models.CharField(_("region"), max_length=3, blank=True)
    prefix = SealedCharField(pgettext_lazy("first digits of a number", "prefix"), part=SealedPart.PREFIX, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,  # the record of a call that was placed and billed stays
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
    # The key that the claim chose. The value of the key is in the settings only.
    key_name = ExactCharField(_("key"), max_length=64, default=CallControl.DEFAULT_KEY, editable=False)
    telroi_id = ExactCharField(_("provider's id"), max_length=200, null=True, blank=True)  # unique for its key
    livemode = models.BooleanField(_("live"), null=True, blank=True)
    language = models.CharField(_("language"), max_length=35, blank=True)
    code_length = models.PositiveSmallIntegerField(default=6, editable=False)
    judge = models.CharField(
        _("codes checked by"),
        max_length=6,
        blank=True,
        choices=[(judge.value, name) for judge, name in JUDGE_NAMES.items()],
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    # ``CODE_TRIES`` at the request. A change of the setting must not lock or reopen a call that was placed before.
    max_tries = models.PositiveSmallIntegerField(_("tries allowed"))
    created_at = models.DateTimeField(_("requested"), db_default=DbNow())
    dialed_at = models.DateTimeField(_("dialed"), null=True, blank=True)
    placed_at = models.DateTimeField(_("accepted by the provider"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"))
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True, db_index=True)
    had_user = models.BooleanField(default=False, editable=False)
    is_again = models.BooleanField(default=False, editable=False)
    known_requester = models.BooleanField(_("requester known with the number"), null=True, editable=False)
    followed_by = models.UUIDField(null=True, editable=False)
    asked = models.PositiveSmallIntegerField(default=0, editable=False)
    judging = models.JSONField(default=dict, editable=False)
    code_digest = models.CharField(max_length=64, blank=True, editable=False)
    proof_spent_at = models.DateTimeField(_("proof used"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_detail = models.CharField(_("provider's words"), max_length=200, blank=True)
    requester_ip = models.GenericIPAddressField(_("requester's address"), null=True, blank=True)
    consent = models.ForeignKey(
        ConsentText,
        on_delete=models.PROTECT,  # the text that a person accepted is not deleted
        null=True,
        blank=True,
        related_name="+",
        db_index=False,  # every call would update it, and no page looks attempts up by their text
        verbose_name=pgettext_lazy("of an attempt", "consent"),
    )
    consented_at = models.DateTimeField(pgettext_lazy("of an attempt", "consented"), null=True, blank=True)

    class Meta:
        verbose_name = _("verification attempt")
        verbose_name_plural = _("verification attempts")
        permissions = [("export_attempts", "Can export verification attempts")]
        # Each filter of the list has an index in the order newest first, so the database reads one page of rows only.
        indexes = [
            models.Index(fields=["phone", "-created_at"], name="telroi_attempt_of_number"),
            models.Index(fields=["created_at"], name="telroi_attempt_by_moment"),
            models.Index(fields=["status", "created_at"], name="telroi_attempt_by_status"),
            models.Index(fields=["error_code", "created_at"], name="telroi_attempt_by_error"),
            models.Index(fields=["purpose", "created_at"], name="telroi_attempt_by_purpose"),
            models.Index(fields=["region", "created_at"], name="telroi_attempt_by_region"),
            models.Index(fields=["livemode", "created_at"], name="telroi_attempt_by_mode"),
            models.Index(fields=["key_name", "created_at"], name="telroi_attempt_by_key"),
            models.Index(fields=["requester_ip", "created_at"], name="telroi_attempt_by_address"),
        ]
        constraints = [
            # Not ``unique=True``: on PostgreSQL it adds a second index, for LIKE, that every call would have to update.
            # With the key's name: a forged event of one workspace must not take the id of another workspace's call.
            models.UniqueConstraint(fields=["telroi_id", "key_name"], name="telroi_attempt_telroi_id_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=[status.value for status in Status]), name="telroi_attempt_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(tries__lte=models.F("max_tries")), name="telroi_attempt_tries_within"
            ),
        ]

    def __str__(self) -> str:
        """Return the masked number and the primary key.

        Not the public id: error reports contain this text, and the id of an attempt without a user suffices to type a
        code. Reports are also written when no query can run, so a number that is not loaded is not read. The last
        digits then replace it.
        """
        is_loaded = VerificationAttempt.phone.is_cached(self)
        return f"{self.masked_number if is_loaded else mask(self.last4)} · {self.pk}"

    def refresh_from_db(
        self, using: str | None = None, fields: Iterable[str] | None = None, from_queryset: Any | None = None
    ) -> None:
        """Refresh like Django. A refresh of the whole row also reads the row of its number, in the same SELECT.

        In a transaction on MariaDB and MySQL it is a locking read of the attempt alone. At REPEATABLE READ any other
        read returns the snapshot of the transaction's first read, so a loop that waits for a change would never end.
        """
        if fields is None and from_queryset is None and not self.get_deferred_fields():
            rows = VerificationAttempt._base_manager.db_manager(using, hints={"instance": self})
            connection = connections[rows.db]
            is_snapshot = connection.vendor == "mysql" and connection.in_atomic_block
            # Without the number: its row must be locked before the attempt's, in all transactions.
            from_queryset = rows.select_for_update() if is_snapshot else rows.select_related("phone")
        super().refresh_from_db(using=using, fields=fields, from_queryset=from_queryset)

    @property
    def number(self) -> str:
        """The number in E.164, from the number's row. A query, unless loaded with ``select_related("phone")``."""
        return Secret(self.phone.number)

    @property
    def masked_number(self) -> str:
        """The masked number. A query if the number's row is not loaded, like ``number``."""
        return mask(self.phone.number)

    @property
    def counted_at(self) -> datetime:
        """The moment of this attempt in its number's ``calls``."""
        return self.dialed_at or self.created_at

    @property
    def tries_left(self) -> int:
        return max(0, self.max_tries - self.tries)


class EventKind(models.TextChoices):
    """The kinds of events, which the columns of an attempt do not show."""

    CODE_REJECTED = "code_rejected", _("wrong code")
    CODE_UNJUDGED = "code_unjudged", _("code not judged")
    LATE_REPLY = "late_reply", _("late answer")
    WEBHOOK = "webhook", _("webhook")
    ALERT = "alert", _("alert")
    NUMBER_BLOCKED = "number_blocked", _("number blocked")
    OWNER_BLOCKED = "owner_blocked", pgettext_lazy("event of a number", "blocked at its owner's wish")
    NUMBER_UNBLOCKED = "number_unblocked", _("number unblocked")
    HOLD_RELEASED = "hold_released", _("hold released")
    LIMITS_RESET = "limits_reset", _("limits reset")
    WRONG_CODES_RESET = "wrong_codes_reset", _("wrong codes reset")
    USER_WRONG_CODES_RESET = "user_wrong_codes_reset", _("wrong codes of the user reset")
    NUMBER_REVEALED = "number_revealed", _("full number shown")
    NUMBER_MOVED = "number_moved", _("number moved to another account")
    NUMBER_ERASED = "number_erased", _("number erased")
    CALLS_STOPPED = "calls_stopped", _("all calls stopped")
    CALLS_RESUMED = "calls_resumed", _("calls resumed")
    DESTINATION_BLOCKED = "destination_blocked", _("prefix or region blocked")
    DESTINATION_UNBLOCKED = "destination_unblocked", _("prefix or region unblocked")
    LOGGED_IN = "logged_in", pgettext_lazy("event", "logged in")
    REVIEWER_NUMBER = "reviewer_number", pgettext_lazy("event", "number of an app reviewer, not called")
    REVIEWER_LOGIN = "reviewer_login", pgettext_lazy("event", "app reviewer logged in")


class AttemptEvent(models.Model):
    """An append-only event of an attempt, of a number, or of neither. The unique ``digest`` prevents duplicates."""

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
    # NULL and unique, because MariaDB has no unique index with a condition.
    digest = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    call_id = ExactCharField(max_length=200, null=True, editable=False)
    """For a webhook that came while the attempt was dialing: the call of the webhook, perhaps of another system."""
    try_id = models.PositiveSmallIntegerField(null=True, editable=False)
    """For a judgement: the try that it is about, as in ``VerificationAttempt.judging``."""

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        indexes = [
            models.Index(fields=["kind", "at"], name="telroi_event_by_kind"),
            models.Index(fields=["at"], name="telroi_event_by_moment"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()
