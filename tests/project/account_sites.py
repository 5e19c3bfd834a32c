"""Two projects with accounts: one with django-allauth, one with its own user model and phone field.

Each is created by ``django-admin startproject``, served by ``runserver``, and calls a simulator of Telroi.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from bs4 import BeautifulSoup, Tag

from django_telroi.simulator import Simulator
from django_telroi.testing import running_simulator
from tests.project.stock_project import StockProject
from tests.web.visitor import Visitor

PASSWORD = "a long and quiet river"
TIMEOUT_SECONDS = 60

SETTINGS = """
TELROI = {{
    "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
    "API_KEY": "{key}",
    "BASE_URL": "{url}",
    "COOLDOWN_SECONDS": 0,
    "RATES": {{"start": {{"ip": None, "user": None}}, "check": {{"ip": None, "user": None}}}},
    "PURPOSES": ["", "sign-up", "login"],
    "PURPOSES_WITHOUT_RECORD": ["login"],
    "ONE_ACCOUNT_PER_NUMBER": True,
}}
INSTALLED_APPS = [*INSTALLED_APPS, "people", "django_telroi"]
LOGIN_URL, LOGIN_REDIRECT_URL = "/accounts/login/", "/me/"
SILENCED_SYSTEM_CHECKS = ["telroi.W052"]  # no time between two calls, because a test calls one number often
AUTH_PASSWORD_VALIDATORS = []
"""

ALLAUTH_SETTINGS = """
INSTALLED_APPS += ["allauth", "allauth.account"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_FORMS = {"signup": "people.forms.SignUpForm"}
"""

ALLAUTH_FORMS = """
from allauth.account.forms import SignupForm

from django_telroi.web.forms import ProofField


class SignUpForm(SignupForm):
    phone_proof = ProofField(purpose="sign-up")

    def save(self, request):
        user = super().save(request)
        self.cleaned_data["phone_proof"].redeem(user=user)
        return user
"""

ALLAUTH_URLS = """
from allauth.account.views import SignupView
from django.urls import include, path

from django_telroi.web.forms import ProofFormMixin
from people.views import pages


class PhoneSignupView(ProofFormMixin, SignupView):
    pass


urlpatterns = [
    *pages,
    path("accounts/signup/", PhoneSignupView.as_view(), name="account_signup"),
    path("accounts/", include("allauth.urls")),
]
"""

OWN_SETTINGS = """
AUTH_USER_MODEL = "people.Person"
"""

OWN_MODELS = """
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.dispatch import receiver

from django_telroi.signals import phone_verified


class Person(AbstractUser):
    phone = models.CharField(max_length=16, unique=True, null=True, blank=True)


@receiver(phone_verified)
def copy_number(sender, attempt, user, **kwargs):
    if user is not None and attempt.purpose != "login":
        Person.objects.filter(pk=user.pk).update(phone=attempt.number)
"""

OWN_FORMS = """
from django.contrib.auth.forms import UserCreationForm

from django_telroi.web.forms import ProofField
from people.models import Person


class SignUpForm(UserCreationForm):
    phone_proof = ProofField(purpose="sign-up")

    class Meta:
        model = Person
        fields = ["username"]

    def save(self, commit=True):
        user = super().save(commit=commit)
        self.cleaned_data["phone_proof"].redeem(user=user)
        return user
"""

OWN_URLS = """
from django.contrib.auth import login
from django.contrib.auth.views import LoginView
from django.urls import path
from django.views.generic import CreateView

from django_telroi.web.forms import ProofFormMixin
from people.forms import SignUpForm
from people.views import pages


class SignUpView(ProofFormMixin, CreateView):
    form_class = SignUpForm
    template_name = "account/signup.html"
    success_url = "/me/"

    def form_valid(self, form):
        response = super().form_valid(form)
        login(self.request, self.object)
        return response


urlpatterns = [
    *pages,
    path("accounts/signup/", SignUpView.as_view()),
    path("accounts/login/", LoginView.as_view(template_name="account/login.html")),
]
"""

VIEWS = """
from django import forms
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import include, path
from django.views.decorators.http import require_POST

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.web.forms import ProofField
from django_telroi.web.gates import phone_verified_required


def me(request):
    if not request.user.is_authenticated:
        return JsonResponse({"name": "", "numbers": [], "copied": None})
    numbers = [phone.number for phone in services.verified_phones(request.user)]
    copied = getattr(request.user, "phone", None)
    return JsonResponse({"name": request.user.get_username(), "numbers": numbers, "copied": copied})


def make_account(request):
    user, is_new = get_user_model().objects.get_or_create(username=request.GET["name"])
    if is_new:
        user.set_password("{password}")
        user.save()
    return JsonResponse({"is_new": is_new})


@login_required
def account(request):
    return render(request, "people/account.html")


@require_POST
@login_required
def give_up(request):
    for phone in services.verified_phones(request.user):
        services.forget_phone(request.user, phone.number)
    if hasattr(request.user, "phone"):
        request.user.phone = None
        request.user.save()
    return redirect("/me/")


@phone_verified_required
def vault(request):
    return HttpResponse("in the vault")


class LoginForm(forms.Form):
    phone_proof = ProofField(purpose="login")


def log_in_by_phone(request):
    form = LoginForm(request.POST or None)
    if form.is_valid():
        proof = form.cleaned_data["phone_proof"]
        phone = VerifiedPhone.objects.select_related("user").filter(number=proof.number).first()
        if phone is None:
            return redirect("/accounts/signup/")
        proof.redeem(user=phone.user)
        login(request, phone.user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("/me/")
    return render(request, "people/log_in_by_phone.html", {"form": form})


pages = [
    path("phone/", include("django_telroi.urls")),
    path("me/", me),
    path("account/", account),
    path("make-account/", make_account),
    path("give-up/", give_up),
    path("vault/", vault),
    path("log-in-by-phone/", log_in_by_phone),
]
"""

TEMPLATES = {
    "account/login.html": """<form method="post" id="site">{% csrf_token %}{{ form }}<button>Log in</button></form>""",
    "account/signup.html": """{% load telroi %}{% phone_verify purpose="sign-up" %}
<form method="post" id="site">{% csrf_token %}{{ form }}{% phone_proof purpose="sign-up" %}
<button>Sign up</button></form>""",
    "people/account.html": """<form method="post" action="/give-up/" id="site">{% csrf_token %}
<button>Remove my number</button></form>""",
    "people/log_in_by_phone.html": """{% load telroi %}{% phone_verify purpose="login" %}
<form method="post" id="site">{% csrf_token %}{{ form }}{% phone_proof purpose="login" %}
<button>Log in</button></form>""",
}


@dataclass(frozen=True)
class AccountSite:
    """The differences of the two projects: text at the end of the settings, and the files of the app ``people``."""

    settings: str
    forms: str
    urls: str
    models: str = ""
    copies_numbers: bool = False


SITES = {
    "django-allauth": AccountSite(ALLAUTH_SETTINGS, ALLAUTH_FORMS, ALLAUTH_URLS),
    "a user with a phone": AccountSite(OWN_SETTINGS, OWN_FORMS, OWN_URLS, OWN_MODELS, copies_numbers=True),
}


class Reply:
    """A response over HTTP, with the attributes of Django's test client."""

    def __init__(self, reply: requests.Response) -> None:
        self.status_code, self.content, self._headers = reply.status_code, reply.content, reply.headers

    def __getitem__(self, header: str) -> str:
        return self._headers[header]


class Connection:
    """The methods of Django's test client that ``Visitor`` uses, over HTTP with the cookies of one browser."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, headers: Any = None) -> Reply:
        return self._asks("GET", path, headers=headers)

    def post(self, path: str, fields: Any) -> Reply:
        return self._asks("POST", path, data=fields)

    def _asks(self, method: str, path: str, **options: Any) -> Reply:
        self.address = urljoin(self.address, path)
        reply = self.session.request(method, self.address, allow_redirects=False, timeout=TIMEOUT_SECONDS, **options)
        assert reply.status_code < 500, BeautifulSoup(reply.text, "html.parser").text[:2000]
        return Reply(reply)


class Member(Visitor):
    """A person with a browser and a phone, who may have an account."""

    def __init__(self, address: str, telroi: Simulator) -> None:
        super().__init__(Connection(address))  # type: ignore[arg-type]
        self.telroi = telroi

    def fills(self, **typed: str) -> Member:
        """Fill in the form of the site on this page, and send it."""
        form = self.soup.find("form", id="site")
        assert isinstance(form, Tag), self.soup.text
        fields = {each["name"]: each.get("value", "") for each in form.find_all("input") if each.get("name")}
        self.sends(str(form.get("action") or urlsplit(self.path).path), {**fields, **typed})
        return self

    def logs_in(self, name: str, then: str = "/me/") -> Member:
        self.opens(f"/accounts/login/?next={then}")
        self.sends(self.path, {**self._hidden(), "login": name, "username": name, "password": PASSWORD, "next": then})
        assert self.path.startswith(then), self.soup.text
        return self

    def asks_for_a_call(self, number: str, page: str = "/phone/") -> Member:
        self.opens(page).presses("Call me", number=number)
        return self

    def types_the_code(self, number: str) -> Member:
        self.presses("Verify", code=self.telroi.last_code_for(number))
        return self

    def knows(self) -> dict[str, Any]:
        """Return the user's name, verified numbers, and the number in the field of the user model."""
        reply: Any = self.client.get("/me/")
        return dict(json.loads(reply.content))

    def _hidden(self) -> dict[str, str]:
        form = self.soup.find("form", id="site")
        assert isinstance(form, Tag), self.soup.text
        return {each["name"]: each.get("value", "") for each in form.find_all("input", type="hidden")}


@dataclass
class Served:
    """A running project."""

    address: str
    telroi: Simulator
    site: AccountSite
    project: StockProject

    def member(self) -> Member:
        return Member(self.address, self.telroi)

    def make_account(self, name: str) -> str:
        """Create a user with a password and without a number. Fails if the name exists."""
        assert json.loads(self.member().client.get(f"/make-account/?name={name}").content) == {"is_new": True}
        return name


def write(project: StockProject, site: AccountSite, telroi: Simulator) -> None:
    people = project.folder / "people"
    with (project.folder / "mysite" / "settings.py").open("a") as file:
        file.write(SETTINGS.format(key=telroi.api_key, url=telroi.base_url) + site.settings)
    (project.folder / "mysite" / "urls.py").write_text(site.urls)
    (people / "migrations").mkdir(parents=True)
    for name in ("__init__.py", "migrations/__init__.py"):
        (people / name).write_text("")
    for name, text in {
        "models": site.models,
        "forms": site.forms,
        "views": VIEWS.replace("{password}", PASSWORD),
    }.items():
        (people / f"{name}.py").write_text(text)
    for name, text in TEMPLATES.items():
        template = people / "templates" / name
        template.parent.mkdir(parents=True, exist_ok=True)
        template.write_text(text)


@contextmanager
def serving(folder: Path, site: AccountSite) -> Iterator[Served]:
    """Make the project, check and migrate it, and run it beside a simulator of Telroi."""
    with running_simulator() as telroi:
        telroi.set_policy(cooldown=0)
        project = StockProject(folder)
        project.run("-m", "django", "startproject", "mysite")
        project.folder /= "mysite"
        write(project, site, telroi)
        project.run("manage.py", "makemigrations", "people", "--verbosity", "0")
        project.run("manage.py", "check", "--fail-level", "WARNING")
        project.run("manage.py", "migrate", "--verbosity", "0")
        with project.serving("/me/") as person:
            yield Served(urljoin(person.address, "/"), telroi, site, project)
