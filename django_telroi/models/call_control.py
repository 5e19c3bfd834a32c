"""The table with the state of the whole site (stopped, paused, calls of the day), and the table of refusal counts."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_telroi.models.exact import ExactCharField


class CallControl(models.Model):
    """The single row with the state of the site. Until it is created, nothing is stopped, paused or counted.

    A pause belongs to the key that caused it (``paused_key``, a keyed digest). Another key is not paused, even if a
    custom backend has digests that differ in case only.
    """

    ONLY = 1

    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    stopped_by = models.CharField(_("stopped by"), max_length=150, blank=True)
    stopped_reason = models.CharField(_("reason of the stop"), max_length=200, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    paused_reason = models.CharField(_("reason of the pause"), max_length=40, blank=True)
    paused_key = ExactCharField(max_length=64, blank=True, editable=False)
    day = models.DateField(_("day of the count"), null=True, blank=True)
    day_calls = models.PositiveIntegerField(_("calls of that day"), default=0)

    class Meta:
        verbose_name = _("call control")
        verbose_name_plural = _("call control")
        permissions = [("stop_calls", "Can stop and resume all calls")]

    def __str__(self) -> str:
        return "stopped" if self.stopped_at else "running"


class RefusalTally(models.Model):
    """The number of starts that were refused in an hour, by code and region."""

    hour = models.DateTimeField(_("hour"))
    code = models.CharField(_("code"), max_length=32)
    region = models.CharField(_("region"), max_length=3, blank=True)
    count = models.PositiveIntegerField(_("refusals"), default=0)

    class Meta:
        verbose_name = _("refusals of an hour")
        verbose_name_plural = _("refusals by hour")
        constraints = [models.UniqueConstraint(fields=["hour", "code", "region"], name="telroi_refusals_once_an_hour")]

    def __str__(self) -> str:
        return self.code
