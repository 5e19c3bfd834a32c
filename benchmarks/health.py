"""Measure the response time of the health URL through gunicorn: one request after another, each on a new connection.

On each database, with a database connection that is opened for each request and with one that is kept. The exit status
is 1 if a response is not 200, or if a median is above 50 ms.
"""

from __future__ import annotations

import argparse
import os
import sys
from statistics import median, quantiles
from time import perf_counter
from urllib.request import ProxyHandler, build_opener

from webhooks import site

OPENER = build_opener(ProxyHandler({}))
WARM_UP = 8
KEPT_SECONDS = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="wal,postgres,mariadb", help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--bound", type=float, default=50, help="for the median, in ms (default: %(default)s)")
    chosen = parser.parse_args()
    print(f"{'':34} {'median ms':>9} {'p99 ms':>7}   load {os.getloadavg()[0]:.1f}")
    medians = []
    for name in chosen.databases.split(","):
        for title, seconds in (("a new connection each", 0), ("a kept connection", KEPT_SECONDS)):
            with site(name, lines=0, conn_max_age=seconds) as home:
                took = [milliseconds(f"{home}/health/") for _ in range(WARM_UP + chosen.requests)][WARM_UP:]
            print(f"{name + ', ' + title:34} {median(took):9.2f} {quantiles(took, n=100)[-1]:7.2f}")
            medians.append(median(took))
    return 0 if max(medians) <= chosen.bound else 1


def milliseconds(url: str) -> float:
    """Return how long a request takes. Raises HTTPError if the response is not 200."""
    started = perf_counter()
    with OPENER.open(url, timeout=30) as response:
        response.read()
    return (perf_counter() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
