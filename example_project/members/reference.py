"""The API's schema, and a page to read it on. Only where drf-spectacular is installed: ``django-telroi[openapi]``.

The library's own page loads Swagger from another site, which this site's Content-Security-Policy forbids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.views import APIView

from django_telroi.errors import ProofRejected
from django_telroi.rest.openapi_examples import PROOF
from django_telroi.services.sentences import sentence
from members.api import SignUpSerializer

ASKED = {"username": "adaeze", "password": "three words are better", "proof": PROOF}
REJECTED = {"proof": [sentence(ProofRejected.code)]}


class DescribedSignUp(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """What the library cannot find out by itself."""

    target_class = "members.api.SignUpView"

    def view_replacement(self) -> type[APIView]:
        target: Any = self.target

        class SignUp(target):  # type: ignore[misc]
            @extend_schema(
                operation_id="sign_up",
                summary="Sign up with a verified phone",
                tags=["members"],
                examples=[OpenApiExample("request", value=ASKED, request_only=True)],
                responses={
                    201: answer(SignUpSerializer, "The user is made, and the proof is spent.", username="adaeze"),
                    400: answer(dict, "Nothing was saved. What is wrong with which field.", **REJECTED),
                    415: answer(
                        dict, "Neither JSON nor a form.", detail='Unsupported media type "text/plain" in request.'
                    ),
                },
            )
            def post(self, *args: Any, **options: Any) -> Any:
                return super().post(*args, **options)

        return SignUp


def answer(kind: Any, description: str, **body: Any) -> OpenApiResponse:
    return OpenApiResponse(kind, description=description, examples=[OpenApiExample("answer", value=body)])


@dataclass(frozen=True)
class Body:
    """An example of what is sent or answered."""

    name: str
    text: str


@dataclass(frozen=True)
class Answer:
    status: str
    reason: str
    description: str
    bodies: list[Body]


@dataclass(frozen=True)
class Endpoint:
    """One address and method, as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    parameters: list[Mapping[str, Any]]
    asked: list[Body]
    answers: list[Answer]


def reference(request: HttpRequest) -> HttpResponse:
    """Everything that the schema says, in plain HTML."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return render(request, "members/reference.html", {"endpoints": list(endpoints(document))})


def endpoints(document: Mapping[str, Any]) -> Iterator[Endpoint]:
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            yield Endpoint(
                id=operation["operationId"],
                method=method.upper(),
                path=address,
                summary=operation.get("summary", ""),
                parameters=operation.get("parameters", []),
                asked=bodies(operation.get("requestBody", {})),
                answers=[_answer(status, said) for status, said in operation["responses"].items()],
            )


def bodies(carrier: Mapping[str, Any]) -> list[Body]:
    """The JSON examples of a request or an answer."""
    examples = carrier.get("content", {}).get("application/json", {}).get("examples", {})
    return [
        Body(example.get("summary", name), json.dumps(example["value"], indent=2, ensure_ascii=False))
        for name, example in examples.items()
    ]


def _answer(status: str, said: Mapping[str, Any]) -> Answer:
    return Answer(status, HTTPStatus(int(status)).phrase, said.get("description", ""), bodies(said))


urlpatterns = [
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", reference, name="api-docs"),
]
