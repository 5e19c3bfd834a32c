"""The blocks of three pages under URLs, and the URLconf that asks for a password before a number is changed."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from rest_framework.authentication import TokenAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_telroi.rest.permissions import IsPhoneVerified
from tests.project.test_howto import blocks_of, names_of_files

PAGES = ("integrations/dj_rest_auth.rst", "integrations/ninja.rst", "howto/recipes.rst")
page: dict[str, Any] = {name: value for each in PAGES for name, value in names_of_files(each).items()}


class PayoutView(APIView):
    """A view of the site that requires a verified phone."""

    authentication_classes = [TokenAuthentication]
    permission_classes = [IsPhoneVerified]

    def get(self, request: Request) -> Response:
        return Response({"paid": True})


guarded: dict[str, Any] = {}
exec(next(block for block in blocks_of("form.rst", "text") if "reauthentication_required" in block), guarded)
PhoneRegisterSerializer = page["PhoneRegisterSerializer"]

urlpatterns = [
    *page["urlpatterns"],
    *guarded["urlpatterns"],
    path("rest/phone/", include("django_telroi.rest.urls")),
    path("rest/log-in/", include("django_telroi.contrib.login.api_urls")),
    path("rest/payout/", PayoutView.as_view()),
    path("rest/auth/", include("dj_rest_auth.urls")),
    path("rest/registration/", include("dj_rest_auth.registration.urls")),
    path("accounts/", include("allauth.urls")),
    path("async/start/", page["start_call"]),
    path("async/check/<uuid:uuid>/", page["check_call"]),
    path("async/payout/", page["payout"]),
]
