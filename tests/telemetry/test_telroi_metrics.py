"""``telroi_metrics``: Prometheus reads what it prints, and a file is written as a whole or not at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from prometheus_client.parser import text_string_to_metric_families

from django_telroi import services
from django_telroi.errors import Unavailable
from django_telroi.management.commands import telroi_metrics
from django_telroi.management.output import TABLES_MISSING
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.telemetry import textfile
from django_telroi.telemetry.metrics import GAUGES, KEY_BUDGET_LEFT, RECENT_CALLS

pytestmark = pytest.mark.django_db

REPOSITORY = Path(__file__).parents[2]
NUMBER = "+2348031234567"
NO_ANSWER = "^The database does not answer, so nothing was written.$"


def test_prometheus_reads_every_gauge_and_the_calls_of_the_hour(telroi: Simulator) -> None:
    services.start_verification(NUMBER)
    telroi.fail_next("close")
    services.start_verification("+2348031234568")
    output = io.StringIO()

    call_command("telroi_metrics", stdout=output)

    families = {family.name: family for family in text_string_to_metric_families(output.getvalue())}
    assert families.keys() == {metric.prometheus_name for metric in (*GAUGES, RECENT_CALLS)}
    assert all(family.documentation and family.type == "gauge" for family in families.values())
    recent = {sample.labels["outcome"]: sample.value for sample in families["telroi_recent_calls"].samples}
    assert (recent["open"], recent["unknown"]) == (1, 1)
    [limited] = families["telroi_numbers_limited"].samples
    assert limited.value == 2
    assert output.getvalue().endswith("\n")
    assert NUMBER[4:] not in output.getvalue()


@pytest.mark.parametrize("name", ['sh"op\nx', "back\\slash", "\\n", 'end\\"', "boutique é 店", "a\rb", 'a",b="c'])
def test_prometheus_reads_any_name_of_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setattr(textfile, "gauge_values", lambda gauges: {KEY_BUDGET_LEFT: {name: 3, "plain": 4}})
    output = io.StringIO()

    call_command("telroi_metrics", stdout=output)
    call_command("telroi_metrics", output=str(tmp_path / "telroi.prom"))

    for text in (output.getvalue(), (tmp_path / "telroi.prom").read_bytes().decode()):
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = families["telroi_key_budget_left"].samples
        assert {each.labels["key"]: each.value for each in samples} == {name: 3, "plain": 4}


def test_a_file_is_utf_8_with_any_locale(tmp_path: Path) -> None:
    """Prometheus accepts UTF-8 only. A character that UTF-8 does not have becomes a question mark."""
    file = tmp_path / "telroi.prom"
    program = (
        "import sys, django; from pathlib import Path; django.setup(); "
        "from django_telroi.management.commands import telroi_metrics; "
        f"telroi_metrics.write_whole_file(Path(sys.argv[1]), {'é' + chr(0xDC80)!a})"
    )

    subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", program, str(file)],
        cwd=REPOSITORY,
        env={**os.environ, "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=True,
        timeout=120,
    )

    assert file.read_bytes() == "é?".encode()


@pytest.mark.django_db(transaction=True)  # PostgreSQL answers no query in a transaction after an error
def test_without_its_tables_it_writes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VerificationAttempt._meta, "db_table", "a_table_that_is_missing")

    with pytest.raises(CommandError, match=TABLES_MISSING):
        call_command("telroi_metrics", output=str(tmp_path / "telroi.prom"))

    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_has_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise Unavailable

    monkeypatch.setattr(telroi_metrics, "site_text", fail)

    with pytest.raises(CommandError, match=NO_ANSWER):
        call_command("telroi_metrics")


def test_a_file_is_replaced_and_readable(tmp_path: Path) -> None:
    file = tmp_path / "telroi.prom"
    file.write_text("old")

    call_command("telroi_metrics", output=str(file))

    assert list(text_string_to_metric_families(file.read_text()))
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise Unavailable

    file = tmp_path / "telroi.prom"
    file.write_text("old")
    monkeypatch.setattr(telroi_metrics, "site_text", fail)

    with pytest.raises(CommandError):
        call_command("telroi_metrics", output=str(file))
    monkeypatch.undo()
    with pytest.raises(CommandError):
        call_command("telroi_metrics", output=str(tmp_path / "missing" / "telroi.prom"))

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
