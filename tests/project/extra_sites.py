"""A site for each extra of pyproject.toml: set up as in the docs, it verifies a phone and uses what the extra is for.

Needs the package with the extra: ``python tests/project/extra_sites.py EXTRA``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    # Last on the path, so that the package is the installed one.
    sys.path.append(str(Path(__file__).parents[2]))

from tests.project.stock_project import NUMBER, StockProject
from tests.project.stock_sites import (
    ADMIN,
    API,
    HELLO,
    PAGES,
    REST,
    Kind,
    settle,
    verify_on_the_page,
    verify_over_the_api,
)

DIGITS = NUMBER.replace(" ", "")
METRICS = '''"""A view with the metrics of this process."""

from django.http import HttpResponse
from prometheus_client import generate_latest


def show_metrics(request):
    return HttpResponse(generate_latest())
'''


def verify_and_describe_the_api(project: StockProject) -> None:
    verify_over_the_api(project)
    schema = project.run("manage.py", "spectacular", "--validate", "--fail-on-warn")
    assert "/api/phone/verifications/{uuid}/check/" in schema, schema[:2000]


def verify_and_read_the_metrics(project: StockProject) -> None:
    with project.serving() as person:
        person.answer(NUMBER)
        person.open("/metrics")
    assert "telroi_calls_total{" in person.page, person.page


def verify_and_look_for_the_number(project: StockProject) -> None:
    verify_on_the_page(project)
    stored = (project.folder / "db.sqlite3").read_bytes()
    assert DIGITS.encode() not in stored
    number = "from django_telroi.models import VerificationAttempt as A; print(A.objects.get().number)"
    assert DIGITS in project.run("manage.py", "shell", "--no-imports", "-c", number)


def verify_and_open(path: str, text: str) -> Callable[[StockProject], None]:
    """Verify on the page, then open a page of the other package, which has ``text``."""

    def use(project: StockProject) -> None:
        verify_on_the_page(project)
        with project.serving(path) as person:
            assert text in person.page, person.page

    return use


MODELS = """from django.conf import settings
from django.db import models
from phonenumber_field.modelfields import PhoneNumberField

from django_telroi.contrib.phonenumber_field import IsVerified


class Person(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE)
    phone = PhoneNumberField(blank=True)
    is_phone_verified = IsVerified("phone", user="user")
"""
FILE_A_NUMBER = f"""
from django.contrib.auth.models import User
from django_telroi import services
from mysite.models import Person

ada = User.objects.create(username="ada")
person = Person.objects.create(user=ada, phone="{DIGITS}")
print(person.is_phone_verified)
services.record_verification(ada, "{DIGITS}")
print(Person.objects.get().is_phone_verified)
"""


def verify_a_number_on_file(project: StockProject) -> None:
    project.run("manage.py", "makemigrations", "mysite")
    project.run("manage.py", "migrate")
    verify_on_the_page(project)
    said = project.run("manage.py", "shell", "-v", "0", "-c", FILE_A_NUMBER)
    assert said.split() == ["False", "True"], said


TWO_FACTOR_APPS = (
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
    "two_factor.plugins.phonenumber",
)
OTP_MIDDLEWARE = 'MIDDLEWARE += ["django_otp.middleware.OTPMiddleware"]\n'
OTP_FORM = """
from django.http import HttpResponse
from django_otp.forms import OTPAuthenticationForm


def login(request):
    return HttpResponse(OTPAuthenticationForm(request).as_p())
"""

EXTRAS: dict[str, Kind] = {
    "openapi": Kind(
        apps=(*REST, "drf_spectacular"),
        urls=(API, HELLO),
        more='REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}',
        use=verify_and_describe_the_api,
    ),
    "telemetry": Kind(more='TELROI = {"TELEMETRY": ["opentelemetry"]}'),
    "prometheus": Kind(
        urls=(PAGES, 'path("metrics", import_string("mysite.metrics.show_metrics"))', HELLO),
        files={"metrics.py": METRICS},
        more='TELROI = {"TELEMETRY": ["prometheus"]}',
        use=verify_and_read_the_metrics,
    ),
    "encryption": Kind(
        more='TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [43 * "k"]}', use=verify_and_look_for_the_number
    ),
    "two-factor": Kind(
        apps=(*TWO_FACTOR_APPS, "django_telroi"),
        urls=(PAGES, 'path("", include(import_string("two_factor.urls.urlpatterns")))', HELLO),
        more=OTP_MIDDLEWARE
        + 'LOGIN_URL = "two_factor:login"\n'
        + 'TWO_FACTOR_CALL_GATEWAY = "django_telroi.contrib.two_factor.CallGateway"',
        use=verify_and_open("/account/login/", "Password"),
    ),
    "otp": Kind(
        apps=("django_telroi", "django_otp", "django_telroi.contrib.otp"),
        urls=(PAGES, ADMIN, 'path("log-in/", import_string("mysite.otp_login.login"))', HELLO),
        files={"otp_login.py": OTP_FORM},
        more=OTP_MIDDLEWARE,
        use=verify_and_open("/log-in/", "otp_challenge"),
    ),
    "allauth": Kind(
        apps=("django_telroi", "allauth", "allauth.account", "django_telroi.contrib.allauth"),
        urls=(PAGES, 'path("accounts/", include("allauth.urls"))', HELLO),
        more="""MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "django_telroi.contrib.allauth.adapter.TelroiAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"phone"}
ACCOUNT_SIGNUP_FIELDS = ["phone*", "password1*"]
ACCOUNT_LOGIN_BY_CODE_ENABLED = True""",
        use=verify_and_open("/accounts/signup/", "Phone"),
    ),
    "phonenumber-field": Kind(
        apps=("django_telroi", "mysite"), files={"models.py": MODELS}, use=verify_a_number_on_file
    ),
}


def main(extra: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settle(StockProject(Path(folder)), EXTRAS[extra])
    sys.stdout.write(f"{extra}: a phone was verified\n")


if __name__ == "__main__":
    main(sys.argv[1])
