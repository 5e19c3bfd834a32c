"""``telroi_purge``: its output and its exit status."""

from __future__ import annotations

import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.errors import Unavailable
from django_telroi.models import VerificationAttempt
from django_telroi.services import Purged
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

NUMBERS = [f"+23480312345{line:02d}" for line in range(4)]


class Terminal(StringIO):
    """An output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def history(settings: Any) -> None:
    settings.TELROI = {}
    outbox.clear()
    for number in NUMBERS:
        services.start_verification(number)
    let_time_pass(91 * 86400)


def run(*, stderr: StringIO | None = None, **options: Any) -> tuple[str, str]:
    stdout, stderr = StringIO(), stderr or StringIO()
    call_command("telroi_purge", stdout=stdout, stderr=stderr, **options)
    return stdout.getvalue(), stderr.getvalue()


def test_it_prints_in_one_line_what_was_deleted() -> None:
    assert run() == ("Deleted 4 attempts, 0 events, 0 notes, 0 refusals and 4 numbers.\n", "")
    assert VerificationAttempt.objects.count() == 0


def test_with_verbosity_0_it_prints_nothing() -> None:
    assert run(verbosity=0) == ("", "")
    assert VerificationAttempt.objects.count() == 0


def test_a_dry_run_deletes_nothing() -> None:
    assert run(dry_run=True) == ("Would delete 4 attempts, 0 events, 0 notes, 0 refusals and 4 numbers.\n", "")
    assert VerificationAttempt.objects.count() == 4


def test_it_says_that_a_site_keeps_everything(settings: Any) -> None:
    settings.TELROI = {"RETENTION_DAYS": None}

    said, _ = run()

    assert said.endswith("0 numbers. RETENTION_DAYS is None, so attempts and events are kept.\n")


def test_a_progress_bar_is_shown_on_a_terminal() -> None:
    said, drawn = run(stderr=Terminal())

    assert said.startswith("Deleted 4 attempts")
    assert drawn.count("\r") == 2
    assert "50% 4 rows" in drawn
    assert drawn.endswith("100% 8 rows\n")


def test_an_interrupt_ends_it_at_once_with_an_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def purge(*, progress: Any, **options: Any) -> Purged:
        progress(Purged(attempts=3))
        raise KeyboardInterrupt

    monkeypatch.setattr(services, "purge", purge)
    stderr = StringIO()

    with pytest.raises(SystemExit) as ended:
        run(stderr=stderr)

    assert ended.value.code == 130
    assert stderr.getvalue().startswith("Interrupted. Deleted 3 attempts")


def test_a_database_outage_is_a_one_line_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def purge(**options: Any) -> Purged:
        raise Unavailable

    monkeypatch.setattr(services, "purge", purge)

    with pytest.raises(CommandError, match=r"^The database does not answer, or it rejects writes\. "):
        run()


def test_it_works_without_a_terminal_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setattr(sys, "__stdout__", None)

    said, drawn = run(stderr=Terminal())

    assert (said[:7], drawn) == ("Deleted", "")
