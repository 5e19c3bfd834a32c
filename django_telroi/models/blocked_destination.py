"""The table of prefixes and regions that staff blocked, or that the site paused by itself."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class BlockedDestination(models.Model):
    """A prefix of numbers or a region that is not called, until ``until`` or until it is unblocked.

    ``destination`` is a prefix in E.164, such as ``+2348031``, or a region, such as ``NG``. ``until`` is NULL for a
    block without an end. A block that is over keeps its row, with ``until`` in the past, until a purge: calls before
    that moment are no reason to pause the destination again. ``blocked_by`` is empty if the site paused it by itself.
    """

    destination = models.CharField(pgettext_lazy("prefix or region", "destination"), max_length=16, primary_key=True)
    blocked_at = models.DateTimeField(_("blocked"))
    until = models.DateTimeField(_("blocked until"), null=True, blank=True)
    blocked_by = models.CharField(_("blocked by"), max_length=150, blank=True)
    reason = models.CharField(_("reason of the block"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("blocked prefix or region")
        verbose_name_plural = _("blocked prefixes and regions")
        default_permissions = ()
        permissions = [("block_destination", "Can block and unblock prefixes and regions")]

    def __str__(self) -> str:
        return self.destination

    @property
    def is_prefix(self) -> bool:
        return self.destination.startswith("+")

    def is_active(self, now: datetime) -> bool:
        return self.until is None or self.until > now
