"""The table of the wrong codes of users. Those of attempts without a user are counted in the row of the number."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class UserWrongCodes(models.Model):
    """The consecutive wrong codes of a user, over all calls. A user without one has no row.

    ``by_number`` maps the primary key of each number to its wrong codes. A right code ends those of its own number
    only. Otherwise a right code of the user's own phone would allow any number of guesses at another phone.
    ``wrong_codes`` is their sum. ``version`` works as in ``PhoneNumber``.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="+",
        verbose_name=_("user"),
    )
    wrong_codes = models.PositiveIntegerField(_("consecutive wrong codes"), default=0)
    last_wrong_code_at = models.DateTimeField(_("last wrong code"), null=True, blank=True)
    by_number = models.JSONField(default=dict, editable=False)
    version = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("wrong codes of a user")
        verbose_name_plural = _("wrong codes of users")
        default_permissions = ()
        indexes = [models.Index(fields=["last_wrong_code_at"], name="telroi_user_by_wrong_code")]

    def __str__(self) -> str:
        """Return the primary key only, because error reports contain this text."""
        return str(self.pk)
