"""The table of the texts of consent that forms showed. An attempt refers to the one of its form."""

from __future__ import annotations

from django.db import models
from django.utils.translation import pgettext_lazy

from django_telroi.models.database_clock import DbNow


class ConsentText(models.Model):
    """One text of ``CONSENT_TEXT`` in one language and one version. It is stored once, and never changed or deleted."""

    version_name = models.CharField(pgettext_lazy("of the text of consent", "version"), max_length=64)
    text = models.TextField(pgettext_lazy("of the consent", "text"))
    # Of version and text. A column of text has no unique index on MariaDB and MySQL.
    sha256 = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(pgettext_lazy("text of consent", "first accepted"), db_default=DbNow())

    class Meta:
        verbose_name = pgettext_lazy("model", "text of consent")
        verbose_name_plural = pgettext_lazy("model", "texts of consent")
        constraints = [models.UniqueConstraint(fields=["sha256"], name="telroi_consent_text_once")]

    def __str__(self) -> str:
        return self.version_name
