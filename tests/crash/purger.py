"""A process that purges in batches of three: ``python -m tests.crash.purger DATABASE``."""

from __future__ import annotations

import sys
import time

import django
from django.conf import settings


def main(database: str) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from django_telroi.services import Purged, purge

    def stand_still_half_way(gone: Purged) -> None:
        if gone.attempts == 6:
            print("here", flush=True)  # noqa: T201 - a line for the process at the other end of the pipe
            time.sleep(600)

    purge(batch_size=3, progress=stand_still_half_way)


if __name__ == "__main__":
    main(*sys.argv[1:])
