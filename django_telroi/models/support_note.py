"""The table of support's notes."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from django_telroi.models.attempt import VerificationAttempt
from django_telroi.models.database_clock import DbNow
from django_telroi.models.phone_number import PhoneNumber


class SupportNote(models.Model):
    """A short text of staff about a number, and perhaps about one attempt of it. It is never changed.

    ``author`` is a name, as ``actor`` is in an event, so that the note stays readable when the user is deleted.
    """

    MAX_TEXT_LENGTH = 500

    phone = models.ForeignKey(
        PhoneNumber,
        on_delete=models.CASCADE,
        related_name="notes",
        db_index=False,  # the index on (phone, created_at) also serves look-ups by phone
        verbose_name=_("number"),
    )
    attempt = models.ForeignKey(
        VerificationAttempt,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notes",
        verbose_name=_("attempt"),
    )
    text = models.CharField(pgettext_lazy("support note", "text"), max_length=MAX_TEXT_LENGTH)
    author = models.CharField(pgettext_lazy("support note", "author"), max_length=150, blank=True)
    created_at = models.DateTimeField(pgettext_lazy("support note", "written"), db_default=DbNow())

    class Meta:
        verbose_name = pgettext_lazy("support note", "note")
        verbose_name_plural = pgettext_lazy("support note", "notes")
        # No "add", "change" or "delete": notes are added through an action, which has a permission like the others.
        default_permissions = ()
        permissions = [("add_note", "Can add a note to a number or an attempt")]
        indexes = [
            models.Index(fields=["phone", "created_at"], name="telroi_note_of_number"),
            models.Index(fields=["created_at"], name="telroi_note_by_moment"),
        ]

    def __str__(self) -> str:
        """Return the author and the primary key. The text may be about a person, and error reports contain this."""
        return f"{self.author} · {self.pk}"
