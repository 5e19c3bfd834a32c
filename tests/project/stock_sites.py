"""Stock projects without some apps: each is created, migrated and used over HTTP until a phone is verified.

Needs the package and its dependencies: ``python tests/project/stock_sites.py``, or with the names of some kinds.
Each project is created by ``django-admin startproject``. ``Kind`` says what is removed from it afterwards.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request

import django_telroi

if __name__ == "__main__":
    # Last on the path, so that the package is the installed one.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.project.stock_project import NUMBER, PATIENCE_SECONDS, Form, Person, StockProject

INVALID = re.compile("undefined variable")
COMMANDS = (
    ("makemigrations", "--check"),
    ("telroi_limits", NUMBER),
    ("telroi_sweep",),
    ("telroi_purge",),
    *((f"telroi_{name}", "--help") for name in ("call", "doctor", "simulator", "webhook")),
)
NO_ISSUES = "System check identified no issues"

PAGES = 'path("phone/", include("django_telroi.urls"))'
API = 'path("api/phone/", include("django_telroi.rest.urls"))'
ADMIN = 'path("admin/", admin.site.urls)'
HELLO = 'path("", lambda request: HttpResponse("hello"))'

HOST = 'path("host/", host)'

URLS = """
from django.conf import settings
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import ensure_csrf_cookie

PAGE = '''<!doctype html><html lang="en"><head><title>Host</title></head><body>
{{% load telroi %}}<form><label>Name <input name="name"></label></form>{{% phone_verify %}}
</body></html>'''


def host(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({{"request": request}}, request))


def icon(request):
    return HttpResponse(status=204)


if "django.middleware.csrf.CsrfViewMiddleware" not in settings.MIDDLEWARE:
    host = ensure_csrf_cookie(host)  # as docs/howto/form.rst says
host.login_required = icon.login_required = False


def with_policy(get_response):
    def answer(request):
        response = get_response(request)
        response["Content-Security-Policy"] = (
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
        )
        return response

    return answer


urlpatterns = [path("favicon.ico", icon), {urls}]
"""

SETTINGS = """
INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app not in {without}), *{apps}]
MIDDLEWARE = [path for path in MIDDLEWARE if not path.startswith({without})]
for engine in TEMPLATES:
    engine["OPTIONS"]["context_processors"] = [
        path for path in engine["OPTIONS"]["context_processors"] if not path.startswith({without})
    ]
{more}
"""


def verify_on_the_page(project: StockProject) -> None:
    """Type the number and the code in a browser without JavaScript."""
    with project.serving() as person:
        person.answer(NUMBER)
        assert Form(person.page).asks_for == "code", person.page
        person.answer(project.code_read_out())
        assert not INVALID.search(person.page), person.page
    assert "verified" in person.page, person.page


def verify_over_the_api(project: StockProject) -> None:
    with project.serving("/") as person:
        started = post(person, "/api/phone/verifications/", {"number": NUMBER})
        answer = post(person, f"/api/phone/verifications/{started['id']}/check/", {"code": project.code_read_out()})
    assert answer["verified"] is True, answer


def verify_on_both(project: StockProject) -> None:
    verify_over_the_api(project)
    project.run("manage.py", "flush", "--no-input")
    verify_on_the_page(project)


def post(person: Person, path: str, body: Mapping[str, object]) -> dict[str, object]:
    request = Request(urljoin(person.address, path), json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with person.browser.open(request, timeout=PATIENCE_SECONDS) as reply:
            return dict(json.load(reply))
    except HTTPError as error:
        with error:
            raise AssertionError(f"{error.code}: {error.read().decode()[:2000]}") from None


@dataclass(frozen=True)
class Kind:
    """A kind of project: the apps, middleware and context processors that it omits, by the start of their paths.

    ``encoding`` is that of its terminal and its log. ``files`` are further modules of the project.
    """

    without: tuple[str, ...] = ()
    apps: tuple[str, ...] = ("django_telroi",)
    urls: tuple[str, ...] = (PAGES, HELLO)
    more: str = ""
    encoding: str = "utf-8"
    files: Mapping[str, str] = field(default_factory=dict)
    use: Callable[[StockProject], None] = verify_on_the_page

    def write(self, project: StockProject) -> None:
        head = "from django.contrib import admin\n" if ADMIN in self.urls else ""
        urls = head + URLS.format(urls=", ".join((*self.urls, HOST) if PAGES in self.urls else self.urls))
        (project.folder / "mysite" / "urls.py").write_text(urls)
        for name, text in self.files.items():
            (project.folder / "mysite" / name).write_text(text)
        with (project.folder / "mysite" / "settings.py").open("a") as file:
            file.write(SETTINGS.format(without=repr(self.without), apps=self.apps, more=self.more))


CONTRIB = "django.contrib"
REST = ("rest_framework", "django_telroi")
JSON_ONLY = 'REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}'

KINDS: dict[str, Kind] = {
    "everything": Kind(apps=REST, urls=(PAGES, API, ADMIN, HELLO), use=verify_on_both),
    "output in ASCII": Kind(encoding="ascii", urls=(PAGES, ADMIN, HELLO)),
    "output in cp437": Kind(encoding="cp437", urls=(PAGES, ADMIN, HELLO)),
    "no admin": Kind(without=(f"{CONTRIB}.admin",)),
    "no admin, with the API": Kind(
        without=(f"{CONTRIB}.admin",), apps=REST, urls=(PAGES, API, HELLO), use=verify_on_both
    ),
    "no messages": Kind(without=(f"{CONTRIB}.admin", f"{CONTRIB}.messages")),
    "no static files": Kind(without=(f"{CONTRIB}.staticfiles",), urls=(PAGES, ADMIN, HELLO)),
    "no static files and no address for them": Kind(
        without=(f"{CONTRIB}.staticfiles", f"{CONTRIB}.admin"), more="STATIC_URL = None"
    ),
    "figures with separators": Kind(more='USE_THOUSAND_SEPARATOR = True\nTELROI = {"COOLDOWN_SECONDS": 3060}'),
    "undefined variables are shown": Kind(
        more='for engine in TEMPLATES:\n    engine["OPTIONS"]["string_if_invalid"] = "undefined variable"'
    ),
    "logins are required": Kind(
        more='MIDDLEWARE += ["django.contrib.auth.middleware.LoginRequiredMiddleware"]\n'
        'TELROI = {"ANONYMOUS_PURPOSES": [""]}'
    ),
    "a strict policy for content": Kind(more='MIDDLEWARE += ["mysite.urls.with_policy"]'),
    "another language, which has no translation": Kind(more='LANGUAGE_CODE = "he"'),
    "no accounts": Kind(without=(f"{CONTRIB}.admin", f"{CONTRIB}.auth.")),
    "nothing that a page can do without": Kind(
        without=(
            *(f"{CONTRIB}.{app}" for app in ("admin", "messages", "staticfiles", "auth.")),
            "django.middleware",
            "django.template",
        ),
        more='SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"',
    ),
    "no sessions": Kind(
        without=tuple(f"{CONTRIB}.{app}" for app in ("admin", "messages", "staticfiles", "sessions", "auth.")),
        apps=REST,
        urls=(API, HELLO),
        use=verify_over_the_api,
    ),
    "no templates": Kind(
        without=tuple(f"{CONTRIB}.{app}" for app in ("admin", "messages", "staticfiles", "sessions", "auth.")),
        apps=REST,
        urls=(API, HELLO),
        more="TEMPLATES = []\n" + JSON_ONLY,
        use=verify_over_the_api,
    ),
    "REST framework's app is not installed": Kind(
        urls=(API, HELLO),
        more='SILENCED_SYSTEM_CHECKS = ["telroi.W018"]\n' + JSON_ONLY,
        use=verify_over_the_api,
    ),
}


def written(project: StockProject, kind: Kind) -> StockProject:
    """The project, with the files of its kind."""
    project.environment["PYTHONIOENCODING"] = f"{kind.encoding}:strict"
    project.run("-m", "django", "startproject", "mysite")
    project.folder /= "mysite"
    kind.write(project)
    return project


def made(project: StockProject, kind: Kind) -> StockProject:
    """The project, with its files and its database."""
    written(project, kind).run("manage.py", "migrate")
    return project


def settle(project: StockProject, kind: Kind) -> None:
    """Make the project, check it, and verify a phone. Raises AssertionError."""
    made(project, kind)
    found = project.run("manage.py", "check")
    assert found.startswith(NO_ISSUES), found
    kind.use(project)


def walk(project: StockProject, kind: Kind) -> None:
    """Do what ``settle`` does, and run the commands in the project. Raises AssertionError."""
    settle(project, kind)
    project.run_together(*COMMANDS)


def main(names: list[str]) -> None:
    for name in names or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            walk(StockProject(Path(folder)), KINDS[name])
        sys.stdout.write(f"{name}: a phone was verified\n")


if __name__ == "__main__":
    sys.stdout.write(f"{sys.version}\n{django_telroi.__file__}\n")
    main(sys.argv[1:])
