"""Runs the simulator as a separate process: its command-line arguments, and serving until a signal stops it."""

from __future__ import annotations

import argparse
import errno
import json
import re
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
    parser.add_argument("--live-key", type=_key("tlr_live_"), help="the live key to accept (default: a new one)")
    parser.add_argument("--test-key", type=_key("tlr_test_"), help="the test key to accept (default: a new one)")
    parser.add_argument("--webhook-secret", help="the secret that signs webhooks (default: a new one)")
    parser.add_argument("--webhook", type=_webhook_url, metavar="URL", help="URL to send webhooks to, once a second")
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


def _key(prefix: str) -> Callable[[str], str]:
    """Return the type of a key. A site rejects a key of another form before it sends a request."""

    def read(text: str) -> str:
        if not re.fullmatch(prefix + "[A-Za-z0-9]+", text):
            raise argparse.ArgumentTypeError(f"{text!r} is not a key: {prefix} followed by letters and digits.")
        return text

    return read


def _webhook_url(text: str) -> str:
    try:
        return webhook_url(text)
    except ValueError:
        message = f"{text!r} is not the URL of a webhook, such as http://127.0.0.1:8000/telroi/webhook."
        raise argparse.ArgumentTypeError(message) from None


def failure_text(error: OSError, port: int) -> str:
    """Return what stopped ``run``, and what to do."""
    reason = error.strerror or type(error).__name__
    if error.filename is not None:
        return f"The ledger {str(error.filename)!r} cannot be opened: {reason}. Check --ledger."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use. Stop the program that uses it, or choose another port with --port."
    return f"Port {port} cannot be opened: {reason}. Choose another port with --port."


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
    options = vars(parser.parse_args())
    try:
        run(options, _print)
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {failure_text(error, options['port'])}\n")


def _print(text: str) -> None:
    # Flushed: a program that starts the simulator reads the URL from a pipe, which is buffered.
    sys.stdout.write(text)
    sys.stdout.flush()


def _startup_text(simulator: Simulator) -> str:
    """Return lines that a shell or a program can read. The keys are no secrets: only this process accepts them."""
    needed = json.dumps({"BASE_URL": simulator.base_url, "WEBHOOK_SECRETS": [simulator.webhook_secret]})
    return (
        f"TELROI_BASE_URL={simulator.base_url}\n"
        f"TELROI_API_KEY={simulator.api_key}\n"
        f"TELROI_TEST_KEY={simulator.test_key}\n"
        f"TELROI_WEBHOOK_SECRETS={simulator.webhook_secret}\n"
        f"# A site reads only TELROI_API_KEY from the environment. Its settings also need TELROI = {needed}\n"
        f"# Switches: {simulator.base_url}{PREFIX}  Stop with Ctrl-C.\n"
    )
