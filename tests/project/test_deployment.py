"""The server of docs/howto/deployment.rst: its settings, units and proxy agree, also with our defaults."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from gunicorn.config import Config

from django_telroi.conf.values import DEFAULTS
from tests.docs_blocks import Block, blocks_of_page
from tests.docs_commands import run_management
from tests.project.stock_project import StockProject, steps_of
from tests.project.test_tutorial import TUTORIALS

PAGE = "howto/deployment.rst"
BLOCKS = {block.file: block for block in blocks_of_page(PAGE) if block.file}
UNITS = [block for block in BLOCKS.values() if block.file.startswith("/etc/systemd/")]
NGINX = BLOCKS["/etc/nginx/sites-available/mysite"].body


def command_of(unit: str) -> list[str]:
    [line] = re.findall(r"^ExecStart=(.*)$", BLOCKS[f"/etc/systemd/system/{unit}"].body, re.MULTILINE)
    return shlex.split(line)


def gunicorn_settings() -> dict[str, object]:
    program, app, *options = command_of("mysite.service")
    assert (program, app) == ("/srv/mysite/venv/bin/gunicorn", "mysite.wsgi")
    return vars(Config().parser().parse_args(options))


def test_the_settings_pass_every_check_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = StockProject(tmp_path)
    project.follow_page(TUTORIALS / "first.rst", to_the_end=False)
    settings = project.folder / "mysite" / "settings.py"
    for step in steps_of(Path(__file__).parents[2] / "docs" / PAGE):
        if step.file == "mysite/settings.py":
            settings.write_text(settings.read_text() + step.code)
    # The suite on SQLite has no driver of PostgreSQL.
    settings.write_text(f"{settings.read_text()}\nDATABASES['default'] = {SQLITE}\n")
    names = re.findall(r"^(\w+)=", BLOCKS["/etc/mysite.env"].body, re.MULTILINE)
    assert names == ["SECRET_KEY", "DATABASE_PASSWORD", "TELROI_API_KEY"]
    values = ["5829473610abcdefghijklmnopqrstuvwxyz5829473610abcdefghij", "x", "tlr_live_5829473610abcdefghijklmnop"]
    project.environment |= dict(zip(names, values, strict=True))
    del project.environment["PYTHONWARNINGS"]
    project.environment["PYTHONPATH"] += f":{Path(__file__).parents[2]}"

    found = project.run("-c", CHECKS)

    assert [line for line in found.splitlines() if line.startswith("telroi")] == []
    assert "security.W" in found  # the checks of a deployment ran


SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}
CHECKS = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
import django
django.setup()
from django.core.checks import run_checks
print("\\n".join(str(message.id) for message in run_checks(include_deployment_checks=True)))
"""


def test_every_part_waits_longer_than_a_call_takes() -> None:
    longest = float(DEFAULTS["TOTAL_TIMEOUT_SECONDS"])
    [proxy] = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    [stop] = re.findall(r"^TimeoutStopSec=(\d+)$", BLOCKS["/etc/systemd/system/mysite.service"].body, re.MULTILINE)
    gunicorn = gunicorn_settings()

    assert float(proxy) > longest
    assert float(str(gunicorn["timeout"])) > longest
    assert longest < float(str(gunicorn["graceful_timeout"])) < float(stop)


def test_each_thread_has_a_connection_to_the_database() -> None:
    [size] = re.findall(r'"max_size": (\d+)', BLOCKS["mysite/settings.py"].body)

    assert int(size) == gunicorn_settings()["threads"]


def test_the_proxy_reaches_gunicorn_and_names_the_visitor() -> None:
    assert gunicorn_settings()["bind"] == re.findall(r"server (unix:\S+);", NGINX)
    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in NGINX
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in NGINX
    assert '"TRUSTED_PROXIES": 1' in BLOCKS["mysite/settings.py"].body
    assert NGINX.count("{") == NGINX.count("}")
    assert all(re.fullmatch(r"(?:.*[;{}])?", line) for line in NGINX.splitlines())


@pytest.mark.parametrize("unit", ["mysite-sweep.service", "mysite-purge.service"])
def test_each_unit_runs_a_command(unit: str) -> None:
    program, script, *command = command_of(unit)

    assert (program, script) == ("/srv/mysite/venv/bin/python", "manage.py")
    assert list(run_management(command)) == []


@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_each_unit_has_sections_with_values(unit: Block) -> None:
    assert all(re.fullmatch(r"|\[\w+\]|\w+=.+", line) for line in unit.body.splitlines())
