"""The table with the state of the site and of its API keys, and the table of refusal counts."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_telroi.conf.key_settings import DEFAULT_KEY
from django_telroi.models.exact import ExactCharField


class CallControl(models.Model):
    """One row for the kill switch, one for each API key by its name, and one for the calls of all keys in a day.

    ``COLUMNS`` are the columns of each row; its other columns are empty. Until a row is created, nothing is stopped,
    paused or counted. The key of a site with one key has the name ``DEFAULT_KEY``, which stands for each key here.

    The rows are apart because every call locks the row of the day until its commit, if ``CALLS_PER_DAY_TOTAL`` is set.
    In one row, the kill switch would wait until all calls that are waiting for the same row are counted.

    A pause belongs to the value of the key that caused it (``paused_key``, a keyed digest). A new value under the same
    name is not paused, even if a custom backend has digests that differ in case only.

    ``codes_refused_until``: until then the provider gets no code of this site with the key ``codes_refused_key``,
    because it rejected one.
    """

    SWITCH = ""
    DAY = "*"
    DEFAULT_KEY = DEFAULT_KEY
    COLUMNS: ClassVar = {
        SWITCH: ("stopped_at", "stopped_by", "stopped_reason"),
        DEFAULT_KEY: ("paused_until", "paused_reason", "paused_key", "codes_refused_until", "codes_refused_key"),
        DAY: ("day", "day_calls"),
    }

    name = ExactCharField(_("name of the key"), max_length=64, primary_key=True, blank=True, default=SWITCH)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    stopped_by = models.CharField(_("stopped by"), max_length=150, blank=True)
    stopped_reason = models.CharField(_("reason of the stop"), max_length=200, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    paused_reason = models.CharField(_("reason of the pause"), max_length=40, blank=True)
    paused_key = ExactCharField(max_length=64, blank=True, editable=False)
    codes_refused_until = models.DateTimeField(_("own codes refused until"), null=True, blank=True, editable=False)
    codes_refused_key = ExactCharField(max_length=64, blank=True, editable=False)
    # One counter, and the UTC day that it is for. The first call of another day starts it at 1.
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
