"""Fuzz the example with its simulator: all checks and phases, logged out and logged in.

``python tests/fuzz/run.py --cases 5000`` prints the number of cases at the end, and fails if one of them failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parent.parent / "example_project"
CSRF = "fuzz" * 8
"""A cookie and a header with the same value. Django only compares them."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Fuzz the API of the example.")
    parser.add_argument("--cases", type=int, default=5000, help="at least so many (default: %(default)s)")
    cases = parser.parse_args(arguments).cases
    with tempfile.TemporaryDirectory(prefix="django-telroi-fuzz-") as folder:
        return fuzz(Path(folder), cases=cases)


def fuzz(folder: Path, *, cases: int) -> int:
    """Serve the example and fuzz it until there were enough cases."""
    os.environ["EXAMPLE_STATE_DIR"] = str(folder)
    os.environ["EXAMPLE_WITHOUT_RATES"] = "1"
    sys.path.insert(0, str(EXAMPLE))
    import demo

    with demo.simulator():
        session = prepare()
        with demo.site() as url:
            done = 0
            while done < cases:
                for who in ([], session):
                    made, failed = attack(f"{url}api/schema/", who, folder=folder, most=cases // 12)
                    done += made
                    if failed:
                        return 1
            sys.stdout.write(f"{done} cases, 0 failures; of the verifications {how_they_ended()}\n")
    return 0


def prepare() -> Sequence[str]:
    """Prepare an empty database, a logged-in user, and a simulator without rate limits."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "example.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    logging.getLogger("django.request").setLevel(logging.ERROR)
    call_command("migrate", verbosity=0, interactive=False)
    browser = Client()
    browser.force_login(get_user_model().objects.create(username="fuzzer"))
    switch("set_policy", requests_per_minute=10**9)
    switch("set_wallet", balance=10**9)
    browser.cookies[settings.CSRF_COOKIE_NAME] = CSRF
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    return ["-H", f"Cookie: {cookies}", "-H", f"X-CSRFToken: {CSRF}"]


def how_they_ended() -> str:
    """Return the number of rows by status and outcome."""
    from django.db.models import Count

    from django_telroi.models import VerificationAttempt

    ends = VerificationAttempt.objects.values_list("status").annotate(Count("pk")).order_by("status")
    return ", ".join(f"{count} are {status}" for status, count in ends)


def switch(name: str, **options: Any) -> None:
    """Change a setting of the simulator. Proxies of the environment are not used."""
    url = f"{os.environ['EXAMPLE_SIMULATOR_URL']}/_simulator/{name}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(url, data=json.dumps(options).encode(), timeout=120).close()


def attack(schema: str, who: Sequence[str], *, folder: Path, most: int) -> tuple[int, bool]:
    """Run the fuzzer once. Return the number of cases, and whether one failed."""
    report = folder / "report.json"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")),
        *("run", schema),
        *("--checks", "all", "--max-examples", str(max(1, most)), "--continue-on-failure", "--workers", "2"),
        *("--report", "json", "--report-json-path", str(report)),
        *who,
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE), "NO_PROXY": "*"}
    environment.pop("PYTHONSAFEPATH", None)
    failed = subprocess.run(command, env=environment, cwd=folder, check=False).returncode != 0
    made: int = json.loads(report.read_text())["test_cases"]["generated"]
    return made, failed


if __name__ == "__main__":
    sys.exit(main())
