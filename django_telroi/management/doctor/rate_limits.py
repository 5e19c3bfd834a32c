"""The examination of the cache that counts requests: it must store values, be exact and be shared."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from django.core.cache import caches
from django.db import connections

from django_telroi import conf
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.redaction import kind_of

SUBJECT = "cache"
SECONDS = 60
THREADS, ROUNDS = 8, 25
CURE = "Use Redis or Memcached. Set RATELIMIT_USE_CACHE to its alias if it is not the default cache."
START_CACHE = "Check CACHES, and start the server of the cache."
SET_IN_ANOTHER_PROCESS = """
import os, sys, django
django.setup()
from django.core.cache import caches
caches[sys.argv[1]].set(sys.argv[2], 1, 60)
"""


def examine_cache() -> Iterator[Finding]:
    """Write a key of our own, count it in threads, set another one in a second process, and delete both."""
    alias = conf.rate_limit_cache()
    key = f"telroi-doctor-{uuid4()}"
    cache = caches[alias]
    try:
        cache.set(key, 0, SECONDS)
        # A cache that stores nothing, such as DummyCache, raises no error. It must be read back.
        is_stored = cache.get(key) == 0
    except ImportError:
        raise  # the package of the cache is missing, which the doctor reports
    except Exception as error:  # noqa: BLE001 - each cache raises its own exceptions
        yield bad(SUBJECT, f'The cache "{alias}" cannot be reached: {kind_of(error)}.', START_CACHE)
        return
    if not is_stored:
        yield bad(SUBJECT, f'The cache "{alias}" does not store values, so every request is rejected.', CURE)
        return
    yield _test_exactness(alias, key)
    yield _find_sharing(alias, key)
    caches[alias].delete_many([key, key + "-shared"])


def _test_exactness(alias: str, key: str) -> Finding:
    # FileBasedCache and DatabaseCache read, add and write: of two requests at once only one is counted.
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: _count(alias, key), range(THREADS)))
    counted = caches[alias].get(key)
    if counted == THREADS * ROUNDS:
        return good(SUBJECT, f'The cache "{alias}" counts concurrent requests exactly.', exact=True)
    says = (
        f'The cache "{alias}" counted {counted} of {THREADS * ROUNDS} concurrent requests, so limits can be exceeded.'
    )
    return bad(SUBJECT, says, CURE, exact=False)


def _count(alias: str, key: str) -> None:
    try:
        for _ in range(ROUNDS):
            caches[alias].incr(key)
    finally:
        connections.close_all()  # DatabaseCache opened a connection for this thread


def _find_sharing(alias: str, key: str) -> Finding:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return note(SUBJECT, "It is unknown whether processes share the cache: DJANGO_SETTINGS_MODULE is not set.")
    # Only another process can show it: LocMemCache stores each process's values in its own memory.
    done = subprocess.run(  # no foreign input: the site's own Python and settings, and a key created above
        [sys.executable, "-c", SET_IN_ANOTHER_PROCESS, alias, key + "-shared"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        return note(SUBJECT, "It is unknown whether processes share the cache: a second process did not start.")
    if caches[alias].get(key + "-shared") == 1:
        return good(SUBJECT, f'All processes share the cache "{alias}".', shared=True)
    says = f'Each process has its own cache "{alias}". With several processes a requester can exceed the limits.'
    return note(SUBJECT, says, CURE, shared=False)
