"""What holds for the whole site: stopped, paused, the day's count; and what was refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_telroi.models.exact import ExactCharField


class CallControl(models.Model):
    """One row, made when it is first needed; no row means nothing is stopped, paused or counted.

    A pause belongs to the key that caused it (``paused_key``, a keyed digest): another key is not paused, also if the
    digests of a backend of the site's own differ in the case of a letter only.
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
    """How many starts were refused in an hour, by code and region."""

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
