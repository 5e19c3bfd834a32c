"""A process that starts one call: ``python -m tests.crash.caller DATABASE TELROI NUMBER ATTEMPT``."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from uuid import UUID

import django
from django.conf import settings


def main(database: str, telroi: str, number: str, attempt: str) -> None:
    settings.DATABASES["default"]["NAME"] = database
    settings.TELROI = json.loads(telroi)
    django.setup()
    from django.db import transaction

    from django_telroi.services import start_verification
    from tests.crash.kill_points import POINT, Point, say_so, wait_for_kill_at

    start = partial(start_verification, number, attempt_uuid=UUID(attempt))
    wait_for_kill_at(Point.BEFORE_THE_CLAIM)
    if os.environ[POINT] == Point.WITHIN_THE_CLAIM:
        say_so()  # and continue, although another process has locked the row
    if os.environ[POINT] != Point.AFTER_THE_COMMIT:
        start()
        return
    with transaction.atomic():
        transaction.on_commit(partial(wait_for_kill_at, Point.AFTER_THE_COMMIT))
        start()


if __name__ == "__main__":
    main(*sys.argv[1:])
