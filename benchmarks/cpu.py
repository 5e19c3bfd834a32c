"""Measure the processor time of one request to each face, beyond what every site of Django pays for.

In turns, in one process and against one simulator: a bare POST of a keep-alive ``requests.Session``; an empty DRF view;
the floor of ``peers/floor`` behind DRF; a start and a check of the API; a plain page with one form, and the pages of
django-telroi. All requests run through Django's handler with the middlewares of a new project.

The figures are those of this process, so the simulator and a database server do not count. SQLite runs in this process
and counts. Milliseconds depend on the machine and its load, so each goal is a multiple of what a start of the floor
takes in the same run. The exit status is 1 if a goal falls short.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from time import process_time
from types import ModuleType
from typing import Any

from stage import TITLES, Telroi, telroi
from timing import Timed, take_turns

sys.path.append(str(Path(__file__).parent / "peers"))
URLS, PLAIN, RENEWING = "cpu_urls", "/plain/", "/renewing/"


POST, EMPTY, FLOOR = "bare POST", "empty DRF view", "floor, start"
PLAIN_GET, SESSION_GET = "plain page, GET", "plain page with a session, GET"
PLAIN_POST, RENEWING_POST = "plain page, POST", "plain page, POST that renews the key"
MAX_RATIO = 2.1
"""The goal: 2.5 ms where a start of the floor takes 1.2 ms."""


@dataclass(frozen=True)
class Goal:
    """What ``title`` takes beyond the medians of ``beyond``: at most ``MAX_RATIO`` times what the floor takes."""

    title: str
    beyond: tuple[str, ...]


FLOORS = Goal(FLOOR, (EMPTY, POST))
GOALS = (
    Goal("REST start", (EMPTY, POST)),
    Goal("REST check", (EMPTY,)),
    Goal("start page, GET", (PLAIN_GET,)),
    Goal("start page, POST", (PLAIN_POST, POST)),
    Goal("code page, GET", (SESSION_GET,)),
    Goal("code page, POST", (RENEWING_POST,)),
)


@contextmanager
def site(database: str, simulator: Telroi) -> Iterator[None]:
    """Set Django up with all faces in one site and an empty database. The database is dropped at the end."""
    with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder:
        os.environ |= {
            "PEERS_API_KEY": simulator.api_key,
            "PEERS_BASE_URL": simulator.base_url,
            "PEERS_CODES": "site",
            "PEERS_DATABASE": database,
            "PEERS_DATABASE_NAME": os.environ.get("TELROI_TEST_DB_NAME", "django_telroi_bench"),
            "PEERS_FOLDER": folder,
        }
        import django
        from django.conf import settings
        from sites import telroi_rest

        own = telroi_rest.settings()
        own["INSTALLED_APPS"] = [*own["INSTALLED_APPS"], "floor"]
        if database == "wal":
            own["DATABASES"]["default"]["TEST"] = {"NAME": own["DATABASES"]["default"]["NAME"]}
        settings.configure(ROOT_URLCONF=URLS, **own)
        django.setup()
        urls = ModuleType(URLS)
        urls.urlpatterns = [*telroi_rest.urls(), *own_urls()]  # type: ignore[attr-defined]
        sys.modules[URLS] = urls
        from django.db import connection

        lasting_name = connection.settings_dict["NAME"]
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        try:
            yield
        finally:
            connection.creation.destroy_test_db(lasting_name, verbosity=0)


def own_urls() -> list[Any]:
    """Return the URLs of the comparison: the floor, an empty DRF view, and a page with one form and a session."""
    from django import forms
    from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
    from django.template import engines
    from django.urls import path
    from floor.drf_views import urlpatterns
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class EmptyView(APIView):
        def post(self, request: Any) -> Response:
            return Response({}, status=201)

    class PlainForm(forms.Form):
        number = forms.CharField()

    text = "<!doctype html><form method=post>{% csrf_token %}{{ form }}<button>Call</button></form>"
    template = engines["django"].from_string(text)

    def plain_page(request: HttpRequest) -> HttpResponse:
        form = PlainForm(request.POST or None, initial={"number": request.session.get("number")})
        if form.is_valid():
            request.session["number"] = form.cleaned_data["number"]
            if request.path == RENEWING:
                request.session.cycle_key()
            return HttpResponseRedirect(PLAIN)
        return HttpResponse(template.render({"form": form}, request))

    return [
        *urlpatterns,
        path("empty/", EmptyView.as_view()),
        path(PLAIN[1:], plain_page),
        path(RENEWING[1:], plain_page),
    ]


def contestants() -> Iterator[Timed[Any]]:
    import provider
    from django.core.wsgi import get_wsgi_application
    from posting import Expected, run
    from sites import floor_view, telroi_page, telroi_rest

    application = get_wsgi_application()

    def request(expected: Any, posting: Any) -> None:
        reply = run(application, posting)
        assert expected.fits(reply.status, reply.location, reply.body), (posting, reply)

    shown = Expected(200, text="</form>")
    requests: dict[str, tuple[Make, Any]] = {
        EMPTY: (empty, Expected(201)),
        FLOOR: (floor_view.start, floor_view.STARTED),
        "floor, check": (floor_view.check, floor_view.VERIFIED),
        "REST start": (telroi_rest.start, telroi_rest.STARTED),
        "REST check": (telroi_rest.check, telroi_rest.VERIFIED),
        PLAIN_GET: (plain_get, shown),
        SESSION_GET: (session_get, shown),
        PLAIN_POST: (plain_post, Expected(302, location=PLAIN)),
        RENEWING_POST: (renewing_post, Expected(302, location=PLAIN)),
        "start page, GET": (start_page, shown),
        "start page, POST": (telroi_page.start, telroi_page.STARTED),
        "code page, GET": (code_page, shown),
        "code page, POST": (telroi_page.check, telroi_page.VERIFIED),
    }
    # Each request is about a number that was never called, and comes from another address.
    visitors = ((f"+234803{line:07d}", f"10.0.{line >> 8 & 255}.{line & 255}") for line in range(1, 10**7))

    def prepare(make: Make) -> Any:
        return make(*next(visitors))

    yield Timed(POST, visitors.__next__, lambda visitor: provider.call(visitor[0], "123456"), clock=process_time)
    for title, (make, expected) in requests.items():
        yield Timed(title, partial(prepare, make), partial(request, expected), clock=process_time)


Make = Callable[[str, str], Any]
"""Returns the request of a visitor with this number and this address. What comes before it is not timed."""


def empty(number: str, address: str) -> Any:
    from posting import json_posting

    return json_posting("/empty/", {"number": number}, address)


def plain_get(number: str, address: str) -> Any:
    return _get(PLAIN, address, browser=_browser())


def session_get(number: str, address: str) -> Any:
    browser, _fields = _known_browser(number)
    return _get(PLAIN, address, browser=browser)


def plain_post(number: str, address: str) -> Any:
    return _post(PLAIN, number, address)


def renewing_post(number: str, address: str) -> Any:
    return _post(RENEWING, number, address)


def _post(path: str, number: str, address: str) -> Any:
    from posting import form_posting

    browser, fields = _known_browser(number)
    return form_posting(path, fields, address, browser)


def _known_browser(number: str) -> tuple[Any, dict[str, str]]:
    """Return a browser that has a session, and the fields of the plain form."""
    from posting import hidden_fields

    browser = _browser()
    fields = hidden_fields(browser.get(PLAIN).content) | {"number": number}
    browser.post(PLAIN, fields)
    return browser, fields


def start_page(number: str, address: str) -> Any:
    from sites import telroi_page

    return _get(telroi_page.PAGE, address, browser=_browser())


def code_page(number: str, address: str) -> Any:
    from sites import telroi_page

    browser, posting = telroi_page.at_number(number, address)
    browser.generic("POST", posting.path, posting.body, posting.content_type, HTTP_X_FORWARDED_FOR=address)
    return _get(telroi_page.CODE_PAGE, address, browser=browser)


def _browser() -> Any:
    from django.test import Client

    return Client(enforce_csrf_checks=True)


def _get(path: str, address: str, *, browser: Any) -> Any:
    from posting import form_posting

    return replace(form_posting(path, {}, address, browser), method="GET")


def print_all(timed: list[Timed[Any]]) -> bool:
    """Print the figures and the goals. Returns whether all goals hold."""
    medians = {each.title: median(each.took) for each in timed}
    print(f"\n{'ms of the processor':32} {'p10':>7} {'median':>7} {'p90':>7}")
    for each in timed:
        tenths = quantiles(each.took, n=10)
        print(f"{each.title:32} {tenths[0]:7.2f} {medians[each.title]:7.2f} {tenths[-1]:7.2f}")
    print()
    unit = own_time(FLOORS, medians)
    print(f"{unit:6.2f} ms: {FLOORS.title}, beyond {' and '.join(FLOORS.beyond)}")
    judged = [judge(goal, own_time(goal, medians), unit) for goal in GOALS]
    return all(judged)


def own_time(goal: Goal, medians: dict[str, float]) -> float:
    return medians[goal.title] - sum(medians[title] for title in goal.beyond)


def judge(goal: Goal, own: float, unit: float) -> bool:
    """Print whether the goal holds, and return it."""
    holds = own <= MAX_RATIO * unit
    verdict = "holds      " if holds else "falls short"
    beyond = " and ".join(goal.beyond)
    print(f"{own:6.2f} ms, {verdict} {own / unit:5.2f}, at most {MAX_RATIO}: {goal.title}, beyond {beyond}")
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="wal", choices=("wal", "postgres"), help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=300, help="of each request (default: %(default)s)")
    chosen = parser.parse_args()
    print(TITLES[chosen.database])
    with telroi() as simulator, site(chosen.database, simulator):
        timed = list(contestants())
        take_turns(timed, warm_up=20, rounds=chosen.rounds)
    return 0 if print_all(timed) else 1


if __name__ == "__main__":
    sys.exit(main())
