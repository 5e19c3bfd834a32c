"""The site of the documentation, in its own process. It prints its URL, and then each call.

Run by ``served_docs_site``, as ``python -c "from tests.rest.docs_site import main; main()" FOLDER``.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import settings as stock
from tests.rest.elsewhere import project

REPOSITORY = Path(__file__).parents[2]


@dataclass
class DocsSite:
    """The URL of the site, and its output."""

    address: str
    console: Iterator[str]

    def next_code(self) -> str:
        """Wait for the next call and return its code."""
        line = next(line for line in self.console if "code is" in line)
        return line.split("code is ")[1].strip(" .\n")


@contextmanager
def served_docs_site(folder: Path) -> Iterator[DocsSite]:
    command = [sys.executable, "-c", "from tests.rest.docs_site import main; main()", str(folder)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield DocsSite(process.stdout.readline().strip(), process.stdout)
        finally:
            process.terminate()


def main() -> None:
    project(
        INSTALLED_APPS=[*stock.INSTALLED_APPS],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(sys.argv[1]) / "docs.sqlite3"}},
        ROOT_URLCONF="tests.rest.docs_urls",
        TELROI={"BACKEND": "django_telroi.backends.console.ConsoleBackend", "PURPOSES": ["", "sign-up"]},
    )
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    class Secret(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            pass

    server = ThreadedWSGIServer(("127.0.0.1", 0), Secret)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    threading.Event().wait()
