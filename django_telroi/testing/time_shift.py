"""Time that passes in the rows of a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import models

from django_telroi.services.shared.transactions import write_alias
from django_telroi.testing.settings_of_test import refuse_outside_of_tests


def shift_rows(by: timedelta) -> None:
    """Move every moment in the tables of django-telroi back by ``by``, as if that time had passed since.

    The services read the time from the database, which no package can move. So the rows are moved instead.

    Raises RuntimeError in a process that runs no tests.
    """
    refuse_outside_of_tests()
    using = write_alias()
    for model in apps.get_app_config("django_telroi").get_models():
        rows: Any = model._base_manager.using(using)
        moments = [field.attname for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)]
        for row in rows.all():
            moved = {name: at - by for name in moments if (at := getattr(row, name)) is not None}
            if hasattr(row, "moments"):  # a list of moments, in one column
                row.moments = [moment - by for moment in row.moments]
                moved["calls"] = row.calls
            if moved:
                rows.filter(pk=row.pk).update(**moved)
