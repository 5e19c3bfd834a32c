"""The URLconf of the page "Log in by phone"."""

from __future__ import annotations

from django.urls import path

from tests.login.site import home
from tests.project.test_howto import names_of

page = names_of("login.rst")
urlpatterns = [*page["urlpatterns"], path("home/", home, name="home"), path("login/", home, name="login")]
