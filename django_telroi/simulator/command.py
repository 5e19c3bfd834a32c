"""The simulator as a process of its own: arguments, and running until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django_telroi.simulator.simulator import Simulator
from django_telroi.simulator.switches import PREFIX
from django_telroi.simulator.webhook_sender import webhook_url

DEFAULT_PORT = 8010


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port on loopback; 0 is a free one (default: %(default)s)"
    )
    parser.add_argument("--live-key", help="the live key to accept (default: a new one)")
    parser.add_argument("--test-key", help="the test key to accept (default: a new one)")
    parser.add_argument("--webhook-secret", help="what to sign webhooks with (default: a new one)")
    parser.add_argument("--webhook", type=webhook_url, metavar="URL", help="address to report to, once a second")
    parser.add_argument("--ledger", type=Path, help="file to append every request to, before it is carried out")


def run(options: dict[str, Any], write: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM; ``write`` is given the address and the keys. Main thread only."""
    told_to_stop = threading.Event()
    simulator = Simulator(
        port=options["port"],
        api_key=options["live_key"],
        test_key=options["test_key"],
        webhook_secret=options["webhook_secret"],
        ledger=options["ledger"],
    )
    before = {each: signal.signal(each, lambda *_: told_to_stop.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with simulator:
            if options["webhook"]:
                simulator.set_webhook(options["webhook"], every=1)
            write(_greeting(simulator))
            told_to_stop.wait()
    finally:
        for each, earlier in before.items():
            signal.signal(each, earlier)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m django_telroi.simulator", description="A Telroi to try on.")
    add_arguments(parser)
    try:
        run(vars(parser.parse_args()), _print)
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _greeting(simulator: Simulator) -> str:
    """Lines that a shell or a program can read; nothing here is a secret, the keys open nothing but this process."""
    return (
        f"TELROI_BASE_URL={simulator.base_url}\n"
        f"TELROI_API_KEY={simulator.api_key}\n"
        f"TELROI_TEST_KEY={simulator.test_key}\n"
        f"TELROI_WEBHOOK_SECRETS={simulator.webhook_secret}\n"
        f"# Switches: {simulator.base_url}{PREFIX}  Stop with Ctrl-C.\n"
    )
