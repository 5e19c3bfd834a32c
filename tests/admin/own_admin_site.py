"""A project whose only admin site is its own ``AdminSite``, as in the documentation."""

from __future__ import annotations

from typing import Any

from django.urls import include, path

from tests.project.test_howto import names_of

PAGE: dict[str, Any] = names_of("admin.rst")

urlpatterns = [
    path("back/", PAGE["office"].urls),
    path("phone/", include("django_telroi.urls")),
]
