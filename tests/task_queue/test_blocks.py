"""Every code block of the page about Django's tasks runs."""

from __future__ import annotations

import shlex
from configparser import ConfigParser
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from django_telroi import conf
from tests.docs_blocks import blocks_of_page, run_pages
from tests.docs_commands import run_interpreter

PAGE = "howto/tasks.rst"


def test_every_block_of_the_page_runs() -> None:
    assert run_pages(["howto/tasks.rst"], "tests.task_queue.settings") == {PAGE: []}


def test_the_service_of_the_page_starts_a_worker_and_lets_it_finish_its_call() -> None:
    [block] = [block for block in blocks_of_page(PAGE) if block.kind == "ini"]
    unit = ConfigParser()
    unit.read_string(block.body)
    service = unit["Service"]

    assert list(run_interpreter(shlex.split(service["ExecStart"])[1:])) == []
    assert int(service["TimeoutStopSec"]) > conf.timeouts().total


@pytest.mark.django_db
def test_the_page_deletes_the_rows_of_killed_workers_only() -> None:
    names: dict[str, Any] = {}
    for block in blocks_of_page(PAGE):
        if block.kind == "python" and block.file != "settings.py":
            exec(block.body, names)
    now = timezone.now()
    states = [("RUNNING", 25), ("RUNNING", 1), ("SUCCESSFUL", 25)]
    for status, hours in states:
        DBTaskResult.objects.create(
            status=status, started_at=now - timedelta(hours=hours), args_kwargs={}, backend_name="default"
        )

    names["delete_tasks_of_killed_workers"]()

    left = DBTaskResult.objects.order_by("started_at").values_list("status", flat=True)
    assert list(left) == ["SUCCESSFUL", "RUNNING"]
