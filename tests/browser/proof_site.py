"""A site in its own process: a card beside a form that needs its proof, and a page with the script and no card.

``/sign-up/`` shows the errors of its form.

``python -m tests.browser.proof_site DATABASE [SETTINGS]`` serves it on a free port: it prints its address, and then
each call and its code. ``SETTINGS`` is JSON and adds to the settings.
"""

from __future__ import annotations

import json
import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

PAGE = """<!doctype html><html lang="en"><title>Join</title>{% load telroi %}{% phone_verify %}
<form action="/join/"><label>Name <input name="name"></label>{% phone_proof %}<button>Join</button></form></html>"""

SIGN_UP = """<!doctype html><html lang="en"><title>Sign up</title>{% load telroi %}{% phone_verify %}
<form method="post" id="sign-up">{% csrf_token %}{{ form }}{% phone_proof %}<button>Sign up</button></form></html>"""

EMPTY = """<!doctype html><html lang="en"><head><title>Empty</title>{% load telroi %}{% telroi_assets %}</head>
<body></body></html>"""


def join(request: HttpRequest) -> HttpResponse:
    return rendered(PAGE, request)


def sign_up(request: HttpRequest) -> HttpResponse:
    from django import forms

    from django_telroi.web.forms import ProofField

    class SignUpForm(forms.Form):
        name = forms.CharField()
        phone_proof = ProofField()

    return rendered(SIGN_UP, request, form=SignUpForm(request.POST if request.method == "POST" else None))


def empty(request: HttpRequest) -> HttpResponse:
    return rendered(EMPTY, request)


def rendered(source: str, request: HttpRequest, **context: object) -> HttpResponse:
    from django.template import engines

    return HttpResponse(engines["django"].from_string(source).render(context, request))


def serve(database: str, chosen: str = "{}") -> None:
    from tests import settings as ours

    settings.configure(
        **{
            name: getattr(ours, name)
            for name in ("INSTALLED_APPS", "MIDDLEWARE", "TEMPLATES", "STATIC_URL", "SECRET_KEY")
        },
        **json.loads(chosen),
        DEBUG=True,
        USE_TZ=True,
        ROOT_URLCONF=__spec__.name,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
    )
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
else:  # imported by Django after the settings exist
    urlpatterns = [
        path("join/", join),
        path("sign-up/", sign_up),
        path("empty/", empty),
        path("phone/", include("django_telroi.urls")),
    ]
