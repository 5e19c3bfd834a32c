"""The floor behind plain DRF views: a serializer in, a serializer out."""

from __future__ import annotations

from django.urls import path
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from floor import calls


class StartSerializer(serializers.Serializer):
    number = serializers.RegexField(calls.NUMBER)


class CodeSerializer(StartSerializer):
    code = serializers.CharField(max_length=6)


class StatusSerializer(serializers.Serializer):
    status = serializers.CharField()


class VerifiedSerializer(serializers.Serializer):
    verified = serializers.BooleanField()


class StartView(APIView):
    def post(self, request: Request) -> Response:
        body = StartSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        if not calls.start(body.validated_data["number"]):
            raise Throttled
        return Response(StatusSerializer({"status": "placed"}).data, status=201)


class CheckView(APIView):
    def post(self, request: Request) -> Response:
        body = CodeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(VerifiedSerializer({"verified": calls.check(**body.validated_data)}).data)


urlpatterns = [path("start/", StartView.as_view()), path("check/", CheckView.as_view())]
