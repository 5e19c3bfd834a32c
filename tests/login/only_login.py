"""A site that includes the login by phone and no other page of django-telroi."""

from __future__ import annotations

from django.urls import include, path

from tests.login.site import home

urlpatterns = [
    path("home/", home, name="home"),
    path("login/", home, name="login"),
    path("log-in/", include("django_telroi.contrib.login.urls")),
]
