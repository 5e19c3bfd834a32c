"""One trace from the browser's POST through the queue to Telroi and back, with the real instrumentations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from django_telroi.simulator import Simulator

pytestmark = pytest.mark.programs

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("instrumented", [["requests"], []], ids=["requests instrumented", "own span"])
def test_the_post_the_message_the_task_and_the_request_are_one_trace(
    instrumented: list[str], telroi: Simulator, tmp_path: Path
) -> None:
    done = run_journey(instrumented, telroi, tmp_path)

    assert done["status"] == 302
    spans = done["spans"]
    [post] = [span for span in spans if span["kind"] == "SERVER" and span["name"].startswith("POST")]
    [publish] = [span for span in spans if span["kind"] == "PRODUCER"]
    [task] = [span for span in spans if span["kind"] == "CONSUMER"]
    [request] = [span for span in spans if span["kind"] == "CLIENT"]
    assert [publish["parent"], task["parent"], request["parent"]] == [post["id"], publish["id"], task["id"]]
    assert {span["trace"] for span in (publish, task, request)} == {post["trace"]}
    assert {span["status"] for span in (post, publish, task, request)} == {"UNSET"}
    assert request["attributes"]["telroi.outcome"] == "answered"
    assert [seen.path for seen in telroi.requests] == ["/v1/otp"]


def run_journey(arguments: list[str], telroi: Simulator, folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.telemetry.traced_journey", *arguments],
        cwd=REPOSITORY,
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join(filter(None, [*sys.path, str(REPOSITORY)])),
            "TELROI_TEST_FOLDER": str(folder),
            "TELROI_TEST_KEY": telroi.api_key,
            "TELROI_TEST_URL": telroi.base_url,
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
