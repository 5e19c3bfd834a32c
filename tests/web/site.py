"""A site with its own pages, which include drop-in cards and other forms."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path, reverse_lazy


def page_with(body: str, **context: object) -> Callable[[HttpRequest], HttpResponse]:
    source = "{% load telroi %}<!doctype html><html lang='en'><head><title>Host</title></head><body><h1>Host</h1>"

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(engines["django"].from_string(source + body + "</body></html>").render(context, request))

    return view


HOST_FORM = """<form method="post" action="/save/">{% csrf_token %}<label for="number">House number</label>
<input id="number" name="number"><button>Save</button></form>"""


def save(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"saved {request.POST['number']}")


urlpatterns = [
    path("phone/", include("django_telroi.urls")),
    path("host/", page_with(HOST_FORM + "{% phone_verify next='/account/' %}")),
    path("lazy/", page_with("{% phone_verify next=page %}", page=reverse_lazy("account"))),
    path("none/", page_with("{% phone_verify next=page %}", page=None)),
    path("account/", page_with("<p>Your account</p>"), name="account"),
    path("here/", page_with("{% phone_verify %}")),
    path("twice/", page_with("{% phone_verify %}{% phone_verify purpose='signup' heading='h3' %}")),
    path("with-query/", page_with("{% phone_verify next=request.GET.next %}")),
    path("wrong-purpose/", page_with("{% phone_verify purpose='nonsense' %}")),
    path("wrong-heading/", page_with("{% phone_verify heading='h9' %}")),
    path("save/", save),
]
