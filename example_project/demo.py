"""``make demo``: the example on this machine, ready to click through. Ctrl-C ends all of it.

The simulator and the site run in threads of this one process, so nothing can outlive it. What lasts is in ``.demo/``.
With ``TELROI_API_KEY`` set there is no simulator: the site talks to Telroi, and real phones ring.
"""

from __future__ import annotations

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from django_telroi.simulator import Simulator

HOST = "127.0.0.1"
USUAL_PORT = 8000
SECONDS_TO_A_REPORT = 1
"""Telroi itself takes a minute or two, which is long to sit in front of a demo."""


def main() -> None:
    """Get ready, say where everything is, and wait for Ctrl-C."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs deaf to SIGINT
        signal.signal(ending, signal.default_int_handler)
    with suppress(KeyboardInterrupt), simulator() as telroi:
        prepare()
        with site() as url:
            if telroi:
                telroi.set_webhook(f"{url}telroi/webhook", every=SECONDS_TO_A_REPORT)
            say(ready(url))
            threading.Event().wait()
    say("\nThe demo has ended.")


@contextmanager
def simulator() -> Iterator[Simulator | None]:
    """A Telroi to try on, unless there is a key for the real one."""
    if os.environ.get("TELROI_API_KEY"):
        yield None
        return
    with Simulator() as telroi:
        os.environ |= {
            "EXAMPLE_SIMULATOR_URL": telroi.base_url,
            "EXAMPLE_SIMULATOR_KEY": telroi.api_key,
            "EXAMPLE_SIMULATOR_SECRET": telroi.webhook_secret,
        }
        yield telroi


def prepare() -> None:
    """The database and its month of history; the second time there is little to do."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "example.settings"
    django.setup()
    say("Getting the database ready ...")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed_demo")


@contextmanager
def site() -> Iterator[str]:
    """The site on a free port, with its static files; its address comes once it answers."""
    server = listen()
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://{HOST}:{server.server_port}/"
    try:
        ask(url)
        yield url
    finally:
        server.shutdown()
        server.server_close()


def listen() -> ThreadedWSGIServer:
    """On the first free port from the usual one on, or on any."""
    for port in (*range(USUAL_PORT, USUAL_PORT + 20), 0):
        with suppress(OSError):
            return ThreadedWSGIServer((HOST, port), QuietRequestHandler)
    raise SystemExit(f"No free port on {HOST}.")


class QuietRequestHandler(WSGIRequestHandler):
    """Requests are no news here: the terminal is for the addresses, and for what goes wrong."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def ask(url: str) -> None:
    """Raises where the site does not answer; a proxy of the environment has no say on this machine."""
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30).close()


def ready(url: str) -> str:
    return f"""
  The demo is ready.

    Home page    {url:<30} the form, dropped into a page of a shop
    Phone page   {url + "phone/":<30} the pages that one line in urls.py brings
    Sign up      {url + "sign-up/":<30} an account that brings the proof of a phone
    Members      {url + "members/":<30} a page behind a verified phone
    Admin        {url + "admin/":<30} sign in as staff, password demo

  {where_calls_go()}
  Ctrl-C ends all of it.
"""


def where_calls_go() -> str:
    if settings.SIMULATOR_URL:
        return f"Calls go to a simulator at {settings.SIMULATOR_URL}: no phone rings but the handset."
    return (
        "Calls go to Telroi with your TELROI_API_KEY: unless it is a test key, real phones ring and calls cost money."
    )


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
