"""Measure the admin with a million attempts, compared with a plain ``ModelAdmin`` of the same rows.

Fills each database with a month of calls. Then requests each list, filter, search and the overview, and counts SQL
statements and milliseconds. The exit status is 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from statistics import median
from time import perf_counter
from typing import Any

from admin_site import admin_site
from seeding import Size, seed
from stage import ROUTER, TITLES

MAX_QUERIES = 6
FOUND_IN = 30
DAY_IN, MONTH_IN, KEPT_IN = 500, 5000, 100
CHOICES_OF_A_FILTER = 8
LISTS = {
    "numbers": "/django_telroi/phonenumber/",
    "attempts": "/django_telroi/verificationattempt/",
    "verified": "/django_telroi/verifiedphone/",
}
OVERVIEW = "/admin/django_telroi/phonenumber/overview/"
TYPED = {
    "attempts": [
        ("region: NG", "?region__exact=NG"),
        ("region: IS, which is rare", "?region__exact=IS"),
        ("purpose: vault, which is rare", "?purpose__exact=vault"),
        ("failed yesterday", "?day=yesterday&status__exact=failed"),
    ],
}
"""Filters without a link on the page: a form field or the value of a row leads to them."""
HEAD = f"{'':58} {'SQL':>4} {'ms':>8} {'bound':>8}"


Ask = Callable[[], Any]


@dataclass(frozen=True)
class Asked:
    """A request that is repeated each round. ``bound``: milliseconds. Or ``share``: of the time of ``beside``, which is
    requested in turn with it, so that other load on the machine affects both."""

    title: str
    ask: Ask
    bound: float | None = None
    beside: Ask | None = None
    share: float = 0.5
    most_queries: int | None = None
    before: Callable[[], object] | None = None
    rounds: int = 5


def measure(asked: Asked, *, using: str) -> bool:
    """Print the median number of statements and milliseconds. Returns whether the bounds hold."""
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connections[using]) as captured:
        timed(asked.ask, before=asked.before)
    queries = len(captured)
    took, beside = [], []
    for _ in range(asked.rounds):
        took.append(timed(asked.ask, before=asked.before))
        if asked.beside:
            beside.append(timed(asked.beside))
    bound = median(beside) * asked.share if beside else asked.bound
    holds = (bound is None or median(took) <= bound) and queries <= (asked.most_queries or queries)
    line = f"{asked.title:58} {queries:4} {median(took):8.1f} {'' if bound is None else f'{bound:8.0f}'}"
    print(line.rstrip() + ("" if holds else " missed"), flush=True)
    return holds


def timed(ask: Ask, *, before: Callable[[], object] | None = None) -> float:
    if before:
        before()
    started = perf_counter()
    status = ask().status_code
    took = (perf_counter() - started) * 1000
    assert status in (200, 302), status
    return took


class Admin:
    """A client of a superuser for one of the two admin sites."""

    def __init__(self, root: str, *, using: str) -> None:
        from django.contrib.auth.models import User
        from django.test import Client

        self.root, self.client = root, Client()
        user, _ = User.objects.using(using).get_or_create(username="root", is_staff=True, is_superuser=True)
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def get(self, address: str) -> Ask:
        return lambda: self.client.get(f"{self.root}{address}")

    def post(self, address: str, term: str) -> Ask:
        return lambda: self.client.post(f"{self.root}{address}", {"term": term})

    def filters(self, address: str) -> Iterator[tuple[str, str]]:
        """Return each filter with the first choice that the page offers."""
        from django.utils.encoding import force_str

        cl = self.client.get(f"{self.root}{address}").context_data["cl"]
        for spec in cl.filter_specs:
            choices = (each for each in spec.choices(cl) if each.get("query_string", "?") not in ("", "?"))
            for choice in islice(choices, CHOICES_OF_A_FILTER):
                yield f"{force_str(spec.title)}: {force_str(choice['display'])}", choice["query_string"]


def lists(ours: Admin, plain: Admin, *, using: str) -> Iterator[bool]:
    """Our first page takes at most half the time of the plain one. No filter takes longer than the plain page."""
    for name, address in LISTS.items():
        measure(Asked(f"plain {name}, first page", plain.get(address)), using=using)
        first = plain.get(address)
        page = Asked(f"{name}, first page", ours.get(address), beside=first, most_queries=MAX_QUERIES)
        yield measure(page, using=using)
        yield page_sizes(page, name, using=using)
        for title, query in plain.filters(address):
            measure(Asked(f"plain {name}, {title}", plain.get(address + query), rounds=1), using=using)
        for title, query in [*ours.filters(address), *TYPED.get(name, [])]:
            ask = ours.get(address + query)
            yield measure(replace(page, title=f"{name}, {title}", ask=ask, share=1, rounds=3), using=using)


def page_sizes(page: Asked, name: str, *, using: str) -> bool:
    """A page of 10 rows executes as many statements as a page of 100."""
    from django.contrib import admin

    listed = next(each for each in admin.site._registry.values() if f"/{each.opts.model_name}/" in LISTS[name])
    usual, listed.list_per_page = listed.list_per_page, 10
    try:
        return measure(replace(page, title=f"{name}, ten rows a page"), using=using)
    finally:
        listed.list_per_page = usual


def searches(ours: Admin, plain: Admin, *, using: str) -> Iterator[bool]:
    """Exact numbers and all other search terms are found quickly."""
    from django_telroi.models import VerificationAttempt

    attempt = (
        VerificationAttempt.objects.using(using)
        .select_related("user", "phone")
        .filter(user__isnull=False)
        .earliest("id")
    )
    terms = {
        "a full number": attempt.number,
        "four digits": attempt.last4,
        "a public id": str(attempt.uuid),
        "the provider's id": attempt.telroi_id or "",
        "a user": attempt.user.username,
        "what is not there": "+2348039999999",
    }
    for name in ("numbers", "attempts"):
        address = LISTS[name]
        for title, term in terms.items():
            measure(Asked(f"plain {name}, search: {title}", plain.get(f"{address}?q={term}"), rounds=1), using=using)
        for title, term in terms.items():
            search = Asked(f"{name}, search: {title}", ours.post(f"{address}search/", term), bound=FOUND_IN)
            yield measure(search, using=using)


def pages(ours: Admin, *, using: str) -> Iterator[bool]:
    """The page of one number and of one attempt, and the overview."""
    from django.core.cache import cache

    for name in ("numbers", "attempts"):
        measure(Asked(f"{name}, the page of one", ours.get(f"{LISTS[name]}1/change/")), using=using)
    address = OVERVIEW.removeprefix("/admin")
    day, month = ours.get(address), ours.get(f"{address}?period=30d")
    yield measure(Asked("overview, 24 hours", day, bound=DAY_IN), using=using)
    first = Asked("overview, 30 days, at first sight", month, bound=MONTH_IN, before=cache.clear, rounds=1)
    yield measure(first, using=using)
    yield measure(Asked("overview, 30 days, from the cache", month, bound=KEPT_IN), using=using)


def options() -> tuple[list[str], Size]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--databases", default="sqlite,postgres", help=f"some of {','.join(TITLES)} (default: %(default)s)"
    )
    parser.add_argument("--numbers", type=int, default=100_000, help="rows of numbers (default: %(default)s)")
    parser.add_argument("--attempts", type=int, default=1_000_000, help="rows of attempts (default: %(default)s)")
    chosen = parser.parse_args()
    databases = chosen.databases.split(",")
    if unknown := set(databases) - TITLES.keys():
        parser.error(f"no such database: {', '.join(sorted(unknown))}")
    return databases, Size(numbers=chosen.numbers, attempts=chosen.attempts)


def benchmark(name: str, size: Size) -> bool:
    ROUTER.current = name
    print(f"\n{TITLES[name]}, {size.numbers:,} numbers, {size.attempts:,} attempts", end=": ", flush=True)
    started = perf_counter()
    seed(name, size, now=datetime.now(UTC))
    print(f"seeded in {perf_counter() - started:.0f} s\n{HEAD}")
    ours, plain = Admin("/admin", using=name), Admin("/plain", using=name)
    held = [*lists(ours, plain, using=name), *searches(ours, plain, using=name), *pages(ours, using=name)]
    return all(held)


def main() -> int:
    databases, size = options()
    with admin_site(databases):
        held = [benchmark(name, size) for name in databases]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
