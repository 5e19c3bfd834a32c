"""The floor's views: plain Django, for JSON."""

from __future__ import annotations

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path

from floor import calls


def start_view(request: HttpRequest) -> JsonResponse:
    number = json.loads(request.body).get("number")
    if not isinstance(number, str) or not calls.NUMBER.fullmatch(number):
        return JsonResponse({"error": "invalid_number"}, status=400)
    if not calls.start(number):
        return JsonResponse({"error": "cooldown"}, status=429)
    return JsonResponse({"status": "placed"}, status=201)


def check_view(request: HttpRequest) -> JsonResponse:
    body = json.loads(request.body)
    return JsonResponse({"verified": calls.check(str(body.get("number")), str(body.get("code")))})


urlpatterns = [path("start/", start_view), path("check/", check_view)]
