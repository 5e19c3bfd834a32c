"""A process that converts in batches of three: ``python -m tests.encryption.converter DATABASE MODE KEY…``."""

from __future__ import annotations

import sys
import time

import django
from django.conf import settings


def main(database: str, mode: str, *keys: str) -> None:
    settings.DATABASES["default"]["NAME"] = database
    settings.TELROI = {"NUMBER_ENCRYPTION": mode, "NUMBER_KEYS": keys}
    django.setup()
    from django_telroi.services import Converted, convert_numbers

    def stand_still_half_way(done: Converted) -> None:
        if done.changed == 6:
            print("here", flush=True)  # noqa: T201 - a line for the process at the other end of the pipe
            time.sleep(600)

    convert_numbers(batch_size=3, progress=stand_still_half_way)


if __name__ == "__main__":
    main(*sys.argv[1:])
