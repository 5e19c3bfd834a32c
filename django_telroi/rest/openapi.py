"""The OpenAPI schema of the endpoints, for sites that use drf-spectacular (the extra ``openapi``).

It is imported only if ``drf_spectacular`` is an installed app. A subclass of an endpoint gets the endpoint's
description. ``@extend_schema`` on its methods takes precedence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension, OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from django_telroi import conf
from django_telroi.rest.openapi_operations import Operation, operations_of
from django_telroi.rest.openapi_responses import authentication_problems, with_problems
from django_telroi.rest.permissions import IsAuthenticatedOrVerifying
from django_telroi.rest.problems import answer_problem

TAG = "phone"
ID_IN_RESPONSE = "$response.body#/id"
ID_IN_URL = "$request.path.uuid"


class DescribedEndpoint(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Replaces an endpoint by a view whose schema class is ``OperationSchema``."""

    target_class = "django_telroi.rest.endpoint.PhoneEndpoint"
    match_subclasses = True

    def view_replacement(self) -> type[APIView]:
        operations = operations_of(self.target)
        if not operations:  # the library describes the view as it describes any other
            target: type[APIView] = self.target
            return target
        # The project may have a schema class of its own, with its own authentication or tags. Ours is mixed into it, so
        # that these stay. A class of another library cannot be combined.
        chosen: Any = api_settings.DEFAULT_SCHEMA_CLASS
        base: type = chosen if issubclass(chosen, AutoSchema) else AutoSchema
        schema = type("PhoneSchema", (OperationSchema, base), {"operations": operations})
        return type(self.target.__name__, (self.target,), {"schema": schema()})


class DescribedText(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Adds format, pattern and length to a text field. The serializer has no validators, so the library finds none."""

    target_class = "django_telroi.rest.serializers.Text"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        mapped: Any = auto_schema
        text: dict[str, Any] = mapped._map_serializer_field(self.target, direction, bypass_extensions=True)
        return text | text_constraints(self.target.field_name)


def text_constraints(field_name: str) -> dict[str, Any]:
    """Return the JSON Schema keywords for this text field, or an empty dict."""
    # For readers and code generators only: the pattern is narrower than the parser, which also accepts other scripts
    # and invisible characters, and the serializer does not apply it.
    match field_name:
        case "number":
            return {"format": "phone", "pattern": r"^[ (]*\+?[0-9 ()./-]+$", "maxLength": 64}
        case "code":
            return {"pattern": r"^[ -]*([0-9][ -]*){4,10}$", "maxLength": 64}
        case "purpose":
            # Inside ``allOf``: the library turns a direct enum into a component, and fails if "" is the only value.
            return {"allOf": [{"enum": conf.purposes()}]}
    return {}


class OperationSchema:
    """A mix-in for the project's schema class. It describes each method from its ``Operation``."""

    operations: Mapping[str, Operation]
    method: str
    """The HTTP method that the library describes at the moment."""
    view: APIView
    """The view that the library describes at the moment."""

    @property
    def described(self) -> Operation:
        return self.operations[self.method]

    def get_operation_id(self) -> str:
        return self.described.operation_id

    def get_summary(self) -> str:
        return self.described.summary

    def get_tags(self) -> list[str]:
        return [TAG]

    def get_override_parameters(self) -> Sequence[OpenApiParameter]:
        return self.described.parameters

    def get_request_serializer(self) -> Any:
        return self.described.request

    def get_response_serializers(self) -> Mapping[int, Any]:
        # An endpoint with another error handler, such as those of django-phone-verify, has other bodies.
        has_our_bodies = self.view.get_exception_handler() is answer_problem
        problems = authentication_problems(self.view) if has_our_bodies else ()
        return dict(sorted(with_problems(self.described.answers, problems).items()))

    def get_auth(self) -> list[dict[str, Any]]:
        """Return the security requirements. The empty one makes login optional: remove it if a login is required.

        The library adds it for two permissions of REST framework only.
        """
        auth: list[dict[str, Any]] = super().get_auth()  # type: ignore[misc]
        if self.described.needs_user:
            return [each for each in auth if each]
        is_open = any(isinstance(each, IsAuthenticatedOrVerifying) for each in self.view.get_permissions())
        return [*auth, {}] if is_open and {} not in auth else auth

    def get_operation(self, *args: Any, **options: Any) -> dict[str, Any] | None:
        """Return the operation with its links, which the library does not support."""
        operation: dict[str, Any] | None = super().get_operation(*args, **options)  # type: ignore[misc]
        for status, answer in (operation or {}).get("responses", {}).items():
            if status.startswith("2") and self.described.links:
                answer["links"] = self._links()
        return operation

    def _links(self) -> dict[str, Any]:
        uuid = ID_IN_RESPONSE if self.described.answers_with_id else ID_IN_URL
        return {
            name: {"operationId": name, "parameters": {"uuid": uuid}, "description": text}
            for name, text in self.described.links.items()
        }
