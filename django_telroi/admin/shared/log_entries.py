"""Entries of Django's admin log: exports, and changes without digits of a number while numbers are encrypted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db.models import Model
from django.http import HttpRequest

from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import is_number_sealed


class UnnamedInLog(admin.ModelAdmin):  # type: ignore[type-arg]
    """Names a row by its primary key in the log of a site that encrypts numbers: its name has the last digits."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        if is_number_sealed():
            return _log(request, obj, ADDITION, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        if is_number_sealed():
            return _log(request, obj, CHANGE, message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        if is_number_sealed():
            rows: Iterable[Model] = queryset
            return [_log(request, obj, DELETION, "") for obj in rows]
        return super().log_deletions(request, queryset)


def _log(request: HttpRequest, obj: Model, action: int, message: Any) -> LogEntry:
    user_id: Any = request.user.pk
    return LogEntry.objects.create(
        user_id=user_id,
        content_type_id=get_content_type_for_model(obj).pk,
        object_id=str(obj.pk),
        object_repr=f"№ {obj.pk}",
        action_flag=action,
        change_message=message if isinstance(message, str) else json.dumps(message),
    )


def log_export(request: HttpRequest, message: str) -> None:
    """Record in the admin log that the user exported rows of attempts or figures about them."""
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type_id=get_content_type_for_model(VerificationAttempt).pk,
        object_repr="CSV",
        action_flag=CHANGE,
        change_message=message[:1000],
    )
