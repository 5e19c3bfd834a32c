from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_telroi.contrib.phone_verify.phone_verify_serializers import SMSVerificationSerializer


class SignUpView(APIView):
    """A sign-up of the kind that the docs of django-phone-verify show."""

    @transaction.atomic
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = SMSVerificationSerializer(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        user = get_user_model().objects.create_user(request.data["username"])
        serializer.redeem(user)
        return Response({"id": user.pk}, status=201)


urlpatterns = [
    path("old/", include("phone_verify.urls")),
    path("new/", include("django_telroi.contrib.phone_verify.urls")),
    path("sign-up", SignUpView.as_view()),
    path("admin/", admin.site.urls),
    path("phone/", include("django_telroi.urls")),
]
