"""Where a code or a full number is found that must not be there: in log records and in columns of our tables."""

from __future__ import annotations

import pytest
from django.apps import apps

from tests.secrets.canaries import all_of

NUMBER_COLUMNS = {"PhoneNumber.number", "VerifiedPhone.number"}


def columns_with(*texts: str) -> set[str]:
    """Return the columns of our tables, as ``Model.field``, that contain one of ``texts``."""
    found = set()
    for model in apps.get_app_config("django_telroi").get_models():
        for row in model._base_manager.values():
            found |= {f"{model.__name__}.{field}" for field, value in row.items() if _has(value, texts)}
    return found


def assert_no_traces(caplog: pytest.LogCaptureFixture, *, codes: list[str], number: str) -> None:
    logged = [text for record in caplog.records if _has(text := all_of(record), [*codes, number[3:]])]
    assert not logged
    assert columns_with(number[3:]) <= NUMBER_COLUMNS
    assert not columns_with(*codes) - NUMBER_COLUMNS


def _has(value: object, texts: object) -> bool:
    return any(text in str(value) for text in texts)  # type: ignore[attr-defined]
