"""The views of a site that uses our API: a sign-up, views that require a verified phone, its own endpoints."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import include, path
from rest_framework import serializers
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_telroi.rest.fields import ProofField
from django_telroi.rest.permissions import IsPhoneVerified
from django_telroi.rest.views import CheckView, StartView


class SignUpSerializer(serializers.ModelSerializer[User]):
    proof = ProofField(purpose="sign-up")

    class Meta:
        model = User
        fields = ["username", "proof"]

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> User:
        proof = validated_data.pop("proof")
        user = User.objects.create_user(**validated_data)
        proof.redeem(user=user)
        return user


class SignUpView(CreateAPIView[User]):
    serializer_class = SignUpSerializer


class Greeting(APIView):
    def get(self, request: Request) -> Response:
        return Response({"detail": "Come in."})


def behind(*permissions: type[BasePermission]) -> Any:
    return Greeting.as_view(permission_classes=permissions)


class OwnStartView(StartView):
    """Overrides the methods that our view uses as guards."""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().dispatch(request, *args, **kwargs)


urlpatterns = [
    path("api/phone/", include("django_telroi.rest.urls")),
    path("own/start/", OwnStartView.as_view()),
    path("own/<str:uuid>/check/", CheckView.as_view()),
    path("sign-up/", SignUpView.as_view()),
    path("any/", behind(IsPhoneVerified)),
    path("payout/", behind(IsPhoneVerified.for_(purpose="payout"))),
    path("lately/", behind(IsPhoneVerified.for_(max_age=timedelta(days=30)))),
    path("lately-in-seconds/", behind(IsPhoneVerified.for_(max_age=30 * 24 * 3600))),
    path("twice/", behind(IsPhoneVerified, IsPhoneVerified.for_())),
    path("both/", behind(IsPhoneVerified, IsPhoneVerified.for_(purpose="payout"))),
]
