"""Sites without Django REST framework, Celery and django-ratelimit, in an environment that has none of them.

Needs Django, requests, phonenumbers and this package, installed without its dependencies: ``python
tests/project/light_sites.py``. Each site of ``LIGHT`` verifies a phone. Each of ``FAULTS`` uses a package that is
missing: ``manage.py check`` names it and the command that installs it, and the rest of the site works.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError

if __name__ == "__main__":
    # Last on the path, so that the package is the installed one.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.project.stock_project import NUMBER, Form, Person, StockProject
from tests.project.stock_sites import (
    ADMIN,
    API,
    CONTRIB,
    HELLO,
    KINDS,
    PAGES,
    Kind,
    settle,
    verify_on_the_page,
    walk,
    written,
)

ABSENT = ("rest_framework", "celery", "kombu", "django_ratelimit")
PASSWORD = "Correct horse 1"
ADMIN_PAGES = ("", "verificationattempt/", "phonenumber/", "verifiedphone/")

OWN_VIEWS = '''"""A site's own endpoints. They need no session: the client keeps the id of the attempt."""

from django.http import JsonResponse
from django.urls import path

from django_telroi import services

app_name = "own"


def start(request):
    return JsonResponse({"id": str(services.start_verification(request.GET["number"]).uuid)})


def check(request):
    result = services.check_code(request.GET["id"], request.GET["code"])
    return JsonResponse({"outcome": result.outcome, "proof": bool(result.proof)})


urlpatterns = [path("start/", start), path("check/", check)]
'''


def verify_and_open_the_admin(project: StockProject) -> None:
    verify_on_the_page(project)
    project.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    project.run("manage.py", "createsuperuser", "--no-input", "--username", "staff", "--email", "staff@example.org")
    with project.serving("/admin/") as person:
        form = Form(person.page)
        person.open(form.action, {**form.fields, "username": "staff", "password": PASSWORD})
        for page in ADMIN_PAGES:
            person.open(f"/admin/django_telroi/{page}")
            assert "Phone verification" in person.page, person.page


def verify_with_own_views(project: StockProject) -> None:
    with project.serving("/") as person:
        person.open(f"/own/start/?number={NUMBER.replace(' ', '').replace('+', '%2B')}")
        attempt = person.page.split('"')[3]
        person.open(f"/own/check/?id={attempt}&code={project.code_read_out()}")
    assert person.page == '{"outcome": "verified", "proof": true}', person.page


LIGHT: dict[str, Kind] = {
    "pages and admin": Kind(urls=(PAGES, ADMIN, HELLO), use=verify_and_open_the_admin),
    "pages without the admin": KINDS["no admin"],
    "pages without accounts": KINDS["no accounts"],
    "services, without sessions": Kind(
        without=tuple(f"{CONTRIB}.{app}" for app in ("admin", "messages", "staticfiles", "sessions", "auth.")),
        urls=('path("own/", include("mysite.own_views"))', HELLO),
        files={"own_views.py": OWN_VIEWS},
        more='SILENCED_SYSTEM_CHECKS = ["telroi.W007"]',
        use=verify_with_own_views,
    ),
}


def live(project: StockProject, name: str) -> None:
    """Make a site of ``LIGHT`` and use it. The first one also runs the commands. Raises AssertionError."""
    (walk if name == next(iter(LIGHT)) else settle)(project, LIGHT[name])


@dataclass(frozen=True)
class Fault:
    """A site that uses a package that is missing: what its check prints, and what happens to a visitor."""

    kind: Kind
    needs: str
    install: str
    visit: Callable[[StockProject], None] = lambda project: None


def open_the_api_and_the_page(project: StockProject) -> None:
    """The API answers with an error and logs the reason, and the page still opens."""
    with project.serving("/", "--skip-checks") as person:
        for path in ("/api/phone/verifications/", "/api/phone/phones/"):
            assert status_of(person, path) == 500
        assert "needs Django REST framework" in project.console.read_text()
        person.open("/phone/")
        assert Form(person.page).asks_for == "number"


def request_a_call(project: StockProject) -> None:
    """No call is placed, the visitor sees a sentence, and the log names the package."""
    with project.serving("/phone/", "--skip-checks") as person:
        person.answer(NUMBER)
        assert "Calls do not work at the moment" in person.page, person.page
        assert "misconfigured reason=missing_package(django_ratelimit)" in project.console.read_text()


def status_of(person: Person, path: str) -> int:
    try:
        person.open(path)
    except HTTPError as error:
        with error:
            return error.code
    return 200


INSTALL_REST = 'python -m pip install "djangorestframework>=3.16"'
LOGIN_API = 'path("api/log-in/", include("django_telroi.contrib.login.api_urls"))'
PHONE_VERIFY = 'path("old/", include("django_telroi.contrib.phone_verify.urls"))'
FAULTS: dict[str, Fault] = {
    "the API": Fault(
        Kind(urls=(PAGES, API, HELLO)), "Django REST framework", INSTALL_REST, visit=open_the_api_and_the_page
    ),
    "the API of the login": Fault(
        Kind(
            apps=("django_telroi", "django_telroi.contrib.login"),
            urls=(PAGES, LOGIN_API, HELLO),
            more='TELROI = {"LOGIN_ALTERNATIVE_URL": "/", "ONE_ACCOUNT_PER_NUMBER": True}',
        ),
        "Django REST framework",
        INSTALL_REST,
    ),
    "the endpoints of django-phone-verify": Fault(
        Kind(urls=(PAGES, PHONE_VERIFY, HELLO)), "Django REST framework", INSTALL_REST
    ),
    "Celery": Fault(Kind(more='TELROI = {"DISPATCH": "celery"}'), "Celery", 'python -m pip install "celery>=5.5"'),
    "the budget of the key": Fault(
        Kind(more='TELROI = {"API_KEY": "tlr_test_" + 32 * "x", "TRUSTED_PROXIES": 0}'),
        "django-ratelimit",
        'python -m pip install "django-ratelimit>=4.1"',
        visit=request_a_call,
    ),
}


def meet(project: StockProject, fault: Fault) -> None:
    """Make the site and see that it says what is missing. Raises AssertionError."""
    written(project, fault.kind)
    says = project.failure_of("manage.py", "check")
    assert "telroi.E039" in says, says
    assert f"{fault.needs}, which is not installed" in says, says
    assert fault.install in says, says
    assert "Traceback" not in says, says
    project.run("manage.py", "migrate", "--skip-checks")
    fault.visit(project)


def main() -> None:
    found = [module for module in ABSENT if find_spec(module)]
    assert not found, f"this environment has {', '.join(found)}"
    for name in LIGHT:
        with tempfile.TemporaryDirectory() as folder:
            live(StockProject(Path(folder)), name)
        sys.stdout.write(f"{name}: a phone was verified\n")
    for name, fault in FAULTS.items():
        with tempfile.TemporaryDirectory() as folder:
            meet(StockProject(Path(folder)), fault)
        sys.stdout.write(f"{name}: the check names {fault.needs}\n")


if __name__ == "__main__":
    main()
