"""The rows of the benchmarks fit the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.seeding import Size, seed
from django_telroi.models import PhoneNumber, VerificationAttempt


@pytest.mark.django_db(transaction=True)
def test_a_small_month_is_seeded() -> None:
    seed("default", Size(numbers=20, attempts=200, users=5), now=datetime.now(UTC))

    assert VerificationAttempt.objects.count() == 200
    assert PhoneNumber.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_the_tables_of_the_comparison_with_peers_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks" / "peers"))

    import_module("sites.telroi_rest").fill(3)

    assert [attempt.number for attempt in VerificationAttempt.objects.order_by("pk")] == [
        f"+{2348060000000 + row}" for row in (1, 2, 3)
    ]
