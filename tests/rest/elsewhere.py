"""Projects with other settings, each in its own process: REST framework reads its settings once, at import.

``python -c "from tests.rest.elsewhere import main; main()" STORY`` prints the results as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from tests import settings as stock
from tests.docs_blocks import blocks_of_page
from tests.project.stock_project import BLOCK

REST_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "rest.rst"
NUMBER = "+2348031234567"
PLAIN_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_telroi"]


def main() -> None:
    sys.stdout.write(json.dumps(STORIES[sys.argv[1]]()))


def project(*, rest: dict[str, Any] | None = None, **changed: Any) -> None:
    """A test project with these settings and an empty database."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    kept = {name: getattr(stock, name) for name in dir(stock) if name.isupper()}
    ours = {
        "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        "ROOT_URLCONF": "tests.rest.only_phones",
        "REST_FRAMEWORK": rest or {},
    }
    settings.configure(**kept | ours | changed)
    django.setup()
    setup_test_environment()
    call_command("migrate", verbosity=0, run_syncdb=True)


def verified(headers: dict[str, str] | None = None, **client: Any) -> list[Any]:
    """Verify a number. Returns the statuses, the outcome, whether there is a proof, and the user's numbers."""
    from django.test import Client

    from django_telroi.testing import last_code_for

    browser = Client(headers=headers or {}, **client)
    started = browser.post("/api/phone/verifications/", {"number": NUMBER}, "application/json")
    if started.status_code != 201:
        return [started.status_code, started.json()["code"]]
    id_ = started.json()["id"]
    checked = browser.post(
        f"/api/phone/verifications/{id_}/check/", {"code": last_code_for(NUMBER)}, "application/json"
    )
    if checked.status_code != 200:
        return [started.status_code, checked.status_code, checked.json()["code"]]
    phones = browser.get("/api/phone/phones/").json()
    numbers = [phone["number"] for phone in phones] if isinstance(phones, list) else phones["code"]
    return [started.status_code, checked.json()["outcome"], bool(checked.json()["proof"]), numbers]


def forgotten() -> None:
    """Delete the number's limits, so that it can be called again."""
    from django_telroi.models import PhoneNumber

    PhoneNumber.objects.update(calls=[])


def tokens(*classes: str) -> list[Any]:
    """Send requests with a DRF token, with a JWT, without a token and with an invalid token."""
    project(
        rest={"DEFAULT_AUTHENTICATION_CLASSES": classes},
        INSTALLED_APPS=[*stock.INSTALLED_APPS, "rest_framework.authtoken"],
        SECRET_KEY="s" * 64,
    )
    from django.contrib.auth import get_user_model
    from rest_framework.authtoken.models import Token
    from rest_framework_simplejwt.tokens import AccessToken

    user = get_user_model().objects.create_user("ada")
    seen: list[Any] = []
    for value in (
        f"Token {Token.objects.create(user=user)}",
        f"Bearer {AccessToken.for_user(user)}",
        None,
        "Token rubbish",
        "Bearer rubbish",
    ):
        seen.append(verified({"Authorization": value} if value else {}))
        forgotten()
    return seen


def token_and_jwt() -> list[Any]:
    return tokens(
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
    )


def stateless_jwt() -> list[Any]:
    """The user of a stateless token. Its primary key is text."""
    return tokens(
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication",
    )


def guarded_tokens() -> list[Any]:
    """The guard of docs/howto/form.rst for tokens, and a decorator in its place."""
    project(
        rest={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]},
        INSTALLED_APPS=[*stock.INSTALLED_APPS, "rest_framework.authtoken"],
        ROOT_URLCONF="accounts.api",
    )
    from django.contrib.auth import get_user_model
    from django.http import HttpRequest, HttpResponse
    from django.test import Client
    from django.urls import path
    from rest_framework.authtoken.models import Token

    from django_telroi.rest.views import StartView

    [block] = [each for each in blocks_of_page("howto/form.rst") if each.file == "api.py"]
    page = sys.modules["accounts.api"] = ModuleType("accounts.api")
    exec(block.body, vars(page))

    def decorated(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=418) if request.user.is_authenticated else StartView.as_view()(request)

    page.urlpatterns.append(path("decorated/", decorated))
    ada = get_user_model().objects.create_user("ada", password="right")
    browser = Client(headers={"Authorization": f"Token {Token.objects.create(user=ada)}"})

    def told(client: Client, path: str, **body: str) -> list[Any]:
        answer = client.post(path, body, "application/json")
        return [answer.status_code, (answer.json() or {}).get("code")]

    def asked(client: Client) -> list[Any]:
        return told(client, "/api/phone/verifications/", number=NUMBER)

    seen = [told(browser, "/decorated/", number=NUMBER), asked(browser)]
    seen += [told(browser, "/api/phone/phones/", proof="any"), [browser.get("/api/phone/phones/").status_code]]
    forgotten()
    seen.append(asked(Client()))
    forgotten()
    seen += [[browser.post("/api/password/", {"password": "wrong"}, "application/json").status_code], asked(browser)]
    seen += [[browser.post("/api/password/", {"password": "right"}, "application/json").status_code], asked(browser)]
    return seen


def model_permissions() -> list[Any]:
    """The permission of DRF's quickstart, and a stricter one."""
    project(rest={"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.DjangoModelPermissionsOrAnonReadOnly"]})
    return verified()


def strict_permissions() -> list[Any]:
    project(rest={"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]})
    return verified()


def documented_permissions() -> list[Any]:
    """The setting of docs/howto/rest.rst, and a view of the project."""
    [block] = [each["body"] for each in BLOCK.finditer(REST_PAGE.read_text()) if "PERMISSION_CLASSES" in each["body"]]
    written: dict[str, Any] = {"REST_FRAMEWORK": {}}
    exec(dedent(block), written)
    project(rest=written["REST_FRAMEWORK"])
    from django.test import RequestFactory
    from rest_framework.views import APIView

    return [*verified(), APIView.as_view()(RequestFactory().get("/")).status_code]


def default_phone_permission() -> list[Any]:
    """A project whose default permission requires a verified phone. REST framework imports it at start."""
    project(rest={"DEFAULT_PERMISSION_CLASSES": ["django_telroi.rest.permissions.IsPhoneVerified"]})
    return verified()


def uuid_users() -> list[Any]:
    project(
        INSTALLED_APPS=[*PLAIN_APPS, "django.contrib.sessions", "rest_framework", "tests.rest.uuid_people"],
        AUTH_USER_MODEL="uuid_people.Person",
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
    )
    from django.contrib.auth import get_user_model
    from django.test import Client

    from django_telroi import services
    from django_telroi.testing import last_code_for

    person, other = (get_user_model().objects.create(email=f"{name}@example.com") for name in ("ada", "ben"))
    browsers = [Client(), Client()]
    for browser, user in zip(browsers, (person, other), strict=True):
        browser.force_login(user)
    started = browsers[0].post("/api/phone/verifications/", {"number": NUMBER}, "application/json").json()
    check = f"/api/phone/verifications/{started['id']}/check/"
    statuses = [
        browser.post(check, {"code": last_code_for(NUMBER)}, "application/json").status_code
        for browser in reversed(browsers)
    ]
    return [*statuses, services.has_verified_phone(person), services.has_verified_phone(other)]


def without_sessions() -> list[Any]:
    project(INSTALLED_APPS=[*PLAIN_APPS, "rest_framework"], MIDDLEWARE=[])
    return verified()


def without_users() -> list[Any]:
    project(rest={"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": []})
    return verified()


def without_drf_app() -> list[Any]:
    """All modules can be imported. The page and the API work, except the browsable API."""
    project(INSTALLED_APPS=[app for app in stock.INSTALLED_APPS if app != "rest_framework"])
    import importlib
    import pkgutil

    from django.test import Client

    import django_telroi

    for module in pkgutil.walk_packages(django_telroi.__path__, "django_telroi."):
        # The others need another package.
        if not module.name.endswith(("__main__", ".background_tasks")) and ".contrib." not in module.name:
            importlib.import_module(module.name)
    return [Client().get("/phone/").status_code, *verified()]


def without_spectacular() -> list[Any]:
    """Without drf-spectacular: none of our modules imports it."""
    sys.modules["drf_spectacular"] = None  # type: ignore[assignment]
    project()
    return verified()


def with_spectacular() -> list[Any]:
    """With drf-spectacular, and the two settings of the documentation."""
    project(
        rest={"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
        INSTALLED_APPS=[*stock.INSTALLED_APPS, "drf_spectacular"],
    )
    from io import StringIO

    from django.core.management import call_command

    written = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=written)
    return [line.split()[-1] for line in written.getvalue().splitlines() if " operationId: " in line[:20]]


def without_drf() -> list[Any]:
    """The page of a site on which REST framework is not installed."""
    sys.modules["rest_framework"] = None  # type: ignore[assignment]
    from django.urls import include, path

    sys.modules["pages_only"] = pages = type(sys)("pages_only")
    project(INSTALLED_APPS=[app for app in stock.INSTALLED_APPS if app != "rest_framework"], ROOT_URLCONF="pages_only")
    pages.urlpatterns = [path("phone/", include("django_telroi.urls"))]  # type: ignore[attr-defined]
    from django.test import Client

    return [Client().get("/phone/").status_code]


def opinionated() -> list[Any]:
    """REST framework defaults that the project sets for its own views."""
    project(
        rest={
            "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning",
            "ALLOWED_VERSIONS": ["v1"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
            "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
            "PAGE_SIZE": 1,
            "EXCEPTION_HANDLER": "tests.rest.elsewhere.no_such_handler",
        }
    )
    from django.test import Client

    return [*verified(), Client().post("/api/phone/verifications/").json()["code"]]


def no_such_handler(exc: Exception, context: object) -> None:
    raise AssertionError("the project's handler was asked")


STORIES = {
    story.__name__: story
    for story in (
        token_and_jwt,
        stateless_jwt,
        model_permissions,
        strict_permissions,
        documented_permissions,
        default_phone_permission,
        guarded_tokens,
        uuid_users,
        without_sessions,
        without_users,
        without_drf_app,
        without_spectacular,
        with_spectacular,
        without_drf,
        opinionated,
    )
}
