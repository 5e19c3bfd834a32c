"""Kill 1,000 processes during a call: ``python tests/chaos/run.py``.

At every point, over Redis, RabbitMQ and inline, with default settings. ``--transports tasks`` is for Django's tasks.
Prints a table. The exit status is 1 if a phone rang twice, a request was lost, or a call that was killed before its
claim did not ring.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent.parent))

from tests.chaos.command import database_of_its_own, options


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--transports", default="Redis,RabbitMQ,inline", help="(default: %(default)s); also: tasks")
    chosen = parser.parse_args()
    started = time.monotonic()
    if "tasks" in chosen.transports.split(","):
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.task_queue.settings")
    with database_of_its_own(chosen.database), tempfile.TemporaryDirectory(prefix="django-telroi-chaos-") as folder:
        from tests.chaos.play import play, problems, table
        from tests.chaos.points import POINTS

        transports = [None if name == "inline" else name for name in chosen.transports.split(",")]
        kills_each = -(-chosen.kills // (len(POINTS) * len(transports)))
        outcomes = play(Path(folder), transports, kills_each=kills_each)
    found = list(problems(outcomes))
    took = f"{chosen.database}, {time.monotonic() - started:.0f} s"
    sys.stdout.write("\n".join([took, "", table(outcomes), "", *found, ""]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
