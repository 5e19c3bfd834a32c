"""One row per number: its last call, and the code of that call as a keyed digest."""

from __future__ import annotations

from django.db import models


class Number(models.Model):  # noqa: DJ008 - nothing shows a row
    number = models.CharField(max_length=16, unique=True)
    called_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    digest = models.CharField(max_length=64)
    tries = models.PositiveSmallIntegerField(default=0)
    is_placed = models.BooleanField(default=False)
    verified_at = models.DateTimeField(null=True)
