"""The process of one contestant with one database. It reads one command a line, as JSON, and writes one reply a line.

``versions`` of its packages. ``time`` one request, in seconds. ``count`` the SQL statements of one request. ``prepare``
requests that gunicorn will get.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from types import ModuleType
from typing import Any

from contestants import BY_NAME
from posting import Posting, Reply, run
from setting_up import set_up

TRANSACTION = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Worker:
    def __init__(self, site: ModuleType, application: Callable[..., Any], *, offset: int) -> None:
        """``offset``: the first number that is called. Contestants that share tables have other ones."""
        self.site, self.application = site, application
        self.visitors = self._visitors(offset)

    def _visitors(self, offset: int) -> Iterator[tuple[str, str]]:
        """Yield numbers that were never called, each with the address of another visitor."""
        for line in range(offset, 10**7):
            yield f"+234803{line:07d}", f"10.{line >> 16 & 255}.{line >> 8 & 255}.{line & 255}"

    def versions(self) -> dict[str, str]:
        names = (BY_NAME[os.environ["PEERS_CONTESTANT"]].package, "Django", "gunicorn")
        return {name: version(name) for name in names} | {"Python": sys.version.split()[0]}

    def time(self, what: str) -> float:
        """Return the seconds of one request. It follows a start that is not timed, because this process has slept.

        Without it, a contestant whose page is loaded before the request would have an advantage.
        """
        run(self.application, self._posting("start"))
        posting = self._posting(what)
        reply = run(self.application, posting)
        self._require(what, posting, reply)
        return reply.seconds

    def count(self, what: str) -> dict[str, int]:
        """Return the number of statements of one request, without BEGIN, COMMIT and savepoints; sessions separately."""
        if not hasattr(self.site, "settings"):
            return {"work": 0, "session": 0}
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        posting = self._posting(what)
        with CaptureQueriesContext(connection) as captured:
            reply = run(self.application, posting)
        self._require(what, posting, reply)
        statements = [each["sql"] for each in captured.captured_queries]
        counted = [sql for sql in statements if not sql.upper().startswith(TRANSACTION)]
        session = sum("django_session" in sql for sql in counted)
        return {"work": len(counted) - session, "session": session}

    def prepare(self, requests: int) -> dict[str, Any]:
        """Return starts for gunicorn, and the reply that each must get."""
        postings = [self._posting("start") for _ in range(requests)]
        return {"expected": asdict(self.site.STARTED), "postings": [asdict(each) for each in postings]}

    def _posting(self, what: str) -> Posting:
        number, address = next(self.visitors)
        posting: Posting = getattr(self.site, what)(number, address)
        return posting

    def _require(self, what: str, posting: Posting, reply: Reply) -> None:
        expected = self.site.STARTED if what == "start" else self.site.VERIFIED
        if not expected.fits(reply.status, reply.location, reply.body):
            raise SystemExit(
                f"{os.environ['PEERS_CONTESTANT']} did not {what}: {posting} got {reply.status} "
                f"{reply.location} {reply.body[:2000].decode(errors='replace')}"
            )


def main() -> None:
    # What a package prints must not be read as a reply.
    replies, sys.stdout = sys.stdout, sys.stderr
    worker = Worker(*set_up(), offset=int(os.environ["PEERS_OFFSET"]))
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(worker, name)(*arguments)), file=replies, flush=True)


if __name__ == "__main__":
    main()
