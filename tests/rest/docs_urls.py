"""The URLconf of the documentation, and an empty page for the browser."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.project.test_howto import names_of


def blank(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>A page of your site</title><link rel=icon href=data:,>")


urlpatterns = [*names_of("rest.rst")["urlpatterns"], path("", blank)]
