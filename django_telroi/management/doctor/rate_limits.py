"""The cache that requests are counted in: reached, shared by all processes, and exact."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.db import connections

from django_telroi.management.doctor.findings import Finding, bad, good, note

SUBJECT = "cache"
SECONDS = 60
THREADS, ROUNDS = 8, 25
CURE = "Use Redis or Memcached, and name it in RATELIMIT_USE_CACHE if it is not the default cache."
SET_IN_A_PROCESS_OF_ITS_OWN = """
import os, sys, django
django.setup()
from django.core.cache import caches
caches[sys.argv[1]].set(sys.argv[2], 1, 60)
"""


def examine_cache() -> Iterator[Finding]:
    """Write, let others write too, and read."""
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    key = f"telroi-doctor-{uuid4()}"
    if not _keeps(caches[alias], key):
        yield bad(SUBJECT, f'The cache "{alias}" does not keep what it is given: every request is refused.', CURE)
        return
    yield _exact(alias, key)
    yield _shared(alias, key)
    caches[alias].delete_many([key, key + "-shared"])


def _keeps(cache: BaseCache, key: str) -> bool:
    cache.set(key, 0, SECONDS)
    return bool(cache.get(key) == 0)


def _exact(alias: str, key: str) -> Finding:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: _count(alias, key), range(THREADS)))
    counted = caches[alias].get(key)
    if counted == THREADS * ROUNDS:
        return good(SUBJECT, f'The cache "{alias}" counts exactly under load.', exact=True)
    says = f'The cache "{alias}" counted {counted} of {THREADS * ROUNDS} requests at once: limits can be outrun.'
    return bad(SUBJECT, says, CURE, exact=False)


def _count(alias: str, key: str) -> None:
    try:
        for _ in range(ROUNDS):
            caches[alias].incr(key)
    finally:
        connections.close_all()  # a cache in the database opened one for this thread


def _shared(alias: str, key: str) -> Finding:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return note(SUBJECT, "Whether processes share the cache cannot be seen: there is no settings module to start.")
    done = subprocess.run(  # the site's own Python and settings, and a key that we made
        [sys.executable, "-c", SET_IN_A_PROCESS_OF_ITS_OWN, alias, key + "-shared"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        return note(SUBJECT, "Whether processes share the cache cannot be seen: a second one did not start.")
    if caches[alias].get(key + "-shared") == 1:
        return good(SUBJECT, f'All processes share the cache "{alias}".', shared=True)
    says = f'Each process has a cache "{alias}" of its own: with several, a requester gets the limit from each.'
    return note(SUBJECT, says, CURE, shared=False)
