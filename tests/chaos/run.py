"""A thousand kills: ``python tests/chaos/run.py``.

At every point, over Redis, RabbitMQ and inline, with the site's settings at their defaults. Prints a table, and ends
with 1 where a phone rang twice, a request was lost, or one that was killed before its claim did not ring.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument("--transports", default="Redis,RabbitMQ,inline", help="(default: %(default)s)")
    parser.add_argument("--database", default="postgres", help="postgres, mariadb or sqlite (default: %(default)s)")
    chosen = parser.parse_args()
    os.environ["TELROI_TEST_DB"] = chosen.database

    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    from tests.chaos.play import play, problems, table
    from tests.chaos.points import POINTS

    transports = [None if name == "inline" else name for name in chosen.transports.split(",")]
    kills_each = -(-chosen.kills // (len(POINTS) * len(transports)))
    before = settings.DATABASES["default"]["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="django-telroi-chaos-") as folder:
            outcomes = play(Path(folder), transports, kills_each=kills_each)
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
    found = list(problems(outcomes))
    took = f"{connection.vendor}, {time.monotonic() - started:.0f} s"
    sys.stdout.write("\n".join([took, "", table(outcomes), "", *found, ""]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
