"""``make demo``: runs the example with data and a simulator. Ctrl-C ends it.

The simulator and the site run in threads of this process, so they end with it. The database is in ``.demo/``.
If ``TELROI_API_KEY`` is set, there is no simulator. The site calls Telroi, and real phones ring.
"""

from __future__ import annotations

import os
import signal
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import django
from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from django_telroi.simulator import Simulator

HOST = "127.0.0.1"
DEFAULT_PORT = 8000
SECONDS_TO_A_REPORT = 1
"""Delay of the simulator's webhooks. Telroi takes a minute or two, which is too long for a demo."""


def main() -> None:
    """Start the demo, print its URLs and wait for Ctrl-C."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # because a shell starts background jobs with SIGINT ignored
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
    """Run a simulator and set its environment variables. Yields None, without a simulator, if there is an API key."""
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
    """Migrate the database and fill it with a month of calls. A second run adds nothing."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "example.settings"
    django.setup()
    say("Getting the database ready ...")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed_demo")


@contextmanager
def site() -> Iterator[str]:
    """Serve the site and its static files on a free port. Yields the URL when the site responds."""
    server = listen()
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://{HOST}:{server.server_port}/"
    try:
        check_response(url)
        yield url
    finally:
        server.shutdown()
        server.server_close()


def listen() -> ThreadedWSGIServer:
    """Return a server on the first free port of 20 from ``DEFAULT_PORT``, else on any free port."""
    for port in (*range(DEFAULT_PORT, DEFAULT_PORT + 20), 0):
        with suppress(OSError):
            return ThreadedWSGIServer((HOST, port), QuietRequestHandler)
    raise SystemExit(f"No free port on {HOST}.")


class QuietRequestHandler(WSGIRequestHandler):
    """Does not log requests, so that the terminal shows the URLs and the errors."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def check_response(url: str) -> None:
    """Raise OSError if the site does not respond. Ignores a proxy from the environment, because the site is local."""
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=30).close()


def ready(url: str) -> str:
    return f"""
  The demo is ready.

{in_columns(url)}

  {where_calls_go()}
  Ctrl-C ends the demo.
"""


def in_columns(url: str) -> str:
    """Return the pages of the demo, one a line: name, URL, what it shows."""
    pages = (
        ("Home page", "", "the form in a page of a shop"),
        ("Phone page", "phone/", "the pages that one line in urls.py adds"),
        ("Sign up", "sign-up/", "an account with the proof of a phone"),
        ("Members", "members/", "a page for users with a verified phone"),
        ("API", api_path(), "the same flow as JSON, for an app"),
        ("Admin", "admin/", "sign in as staff, password demo"),
    )
    # The length of a URL depends on the port and on the installed packages.
    width = max(len(url + path) for _, path, _ in pages)
    return "\n".join(f"    {name:<12} {url + path:<{width}}  {shows}" for name, path, shows in pages)


def api_path() -> str:
    """Return the path of the page about the API, or of the API itself if drf-spectacular is not installed."""
    return "api/docs/" if apps.is_installed("drf_spectacular") else "api/phone/phones/"


def where_calls_go() -> str:
    if settings.SIMULATOR_URL:
        return f"Calls go to a simulator at {settings.SIMULATOR_URL}. Only the handset on the page rings."
    return (
        "Calls go to Telroi with your TELROI_API_KEY. Unless it is a test key, real phones ring and calls cost money."
    )


def say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
