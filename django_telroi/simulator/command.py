"""Runs the simulator as a separate process: its command-line arguments, and serving until a signal stops it."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from django_telroi.simulator.http_switches import PREFIX
from django_telroi.simulator.otp_requests import OwnCodesMode
from django_telroi.simulator.simulator import Simulator
from django_telroi.simulator.webhook_sender import webhook_url

# Next to 8000, Django's own, so that both can run side by side.
DEFAULT_PORT = 8010


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port on loopback; 0 chooses a free one (default: %(default)s)"
    )
    parser.add_argument("--live-key", help="the live key to accept (default: a new one)")
    parser.add_argument("--test-key", help="the test key to accept (default: a new one)")
    parser.add_argument("--webhook-secret", help="the secret that signs webhooks (default: a new one)")
    parser.add_argument("--webhook", type=webhook_url, metavar="URL", help="URL to send webhooks to, once a second")
    parser.add_argument("--ledger", type=Path, help="file to which each request is appended before it is carried out")
    parser.add_argument(
        "--own-codes",
        choices=get_args(OwnCodesMode),
        default="confirm",
        help="what a send with the client's own code does (default: confirm, as Telroi; the switch reset restores it)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 0 to 65535.")
    return int(text)


def run(options: dict[str, Any], write: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM. Passes the URL and the keys to ``write``. Call it in the main thread.

    Raises OSError if the port is in use or the ledger cannot be opened.
    """
    stop_requested = threading.Event()
    simulator = Simulator(
        port=options["port"],
        api_key=options["live_key"],
        test_key=options["test_key"],
        webhook_secret=options["webhook_secret"],
        ledger=options["ledger"],
    )
    # A signal handler may only set the event. Ending threads in it could wait for a lock of the interrupted code.
    before = {each: signal.signal(each, lambda *_: stop_requested.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        simulator.own_codes(options["own_codes"])
        with simulator:
            if options["webhook"]:
                simulator.set_webhook(options["webhook"], every=1)
            write(_startup_text(simulator))
            stop_requested.wait()
    finally:
        for each, previous in before.items():
            signal.signal(each, previous)


def main() -> None:
    """Run the simulator with the arguments of the command line. Exits with 1 if the port or the ledger fails."""
    parser = argparse.ArgumentParser(
        prog="python -m django_telroi.simulator", description="A simulator of Telroi's API."
    )
    add_arguments(parser)
    try:
        run(vars(parser.parse_args()), _print)
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


def _print(text: str) -> None:
    # Flushed: a program that starts the simulator reads the URL from a pipe, which is buffered.
    sys.stdout.write(text)
    sys.stdout.flush()


def _startup_text(simulator: Simulator) -> str:
    """Return lines that a shell or a program can read. The keys are no secrets: only this process accepts them."""
    return (
        f"TELROI_BASE_URL={simulator.base_url}\n"
        f"TELROI_API_KEY={simulator.api_key}\n"
        f"TELROI_TEST_KEY={simulator.test_key}\n"
        f"TELROI_WEBHOOK_SECRETS={simulator.webhook_secret}\n"
        f"# Switches: {simulator.base_url}{PREFIX}  Stop with Ctrl-C.\n"
    )
