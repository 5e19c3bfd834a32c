"""A site with all faces: pages, a card in one of its own pages, the API, gates, webhooks and the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_telroi.rest.permissions import IsPhoneVerified
from django_telroi.web.gates import phone_verified_required
from tests.web.site import page_with


@phone_verified_required
def gated(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


class GatedView(APIView):
    permission_classes = [IsPhoneVerified]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response("in")


urlpatterns = [
    path("admin/", admin.site.urls),
    path("phone/", include("django_telroi.urls")),
    path("here/", page_with("{% phone_verify %}{% phone_proof %}")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("gated/", gated),
    path("api/gated/", GatedView.as_view()),
    path("telroi/", include("django_telroi.webhooks.urls")),
]
