"""The schema of drf-spectacular, for sites that have it (the extra ``openapi``).

Imported only where ``drf_spectacular`` is an installed app. A subclass of an endpoint is described like the endpoint;
``@extend_schema`` on its methods still wins.
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

TAG = "phone"
IN_THE_ANSWER = "$response.body#/id"
IN_THE_ADDRESS = "$request.path.uuid"


class DescribedEndpoint(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Gives the generator a view that says what ours answers."""

    target_class = "django_telroi.rest.endpoint.PhoneEndpoint"
    match_subclasses = True

    def view_replacement(self) -> type[APIView]:
        chosen: Any = api_settings.DEFAULT_SCHEMA_CLASS
        base: type = chosen if issubclass(chosen, AutoSchema) else AutoSchema
        schema = type("PhoneSchema", (OperationSchema, base), {"operations": operations_of(self.target)})
        return type(self.target.__name__, (self.target,), {"schema": schema()})


class DescribedText(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says of a string what is passed on to the services, and what is not."""

    target_class = "django_telroi.rest.serializers.Text"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        mapped: Any = auto_schema
        text: dict[str, Any] = mapped._map_serializer_field(self.target, direction, bypass_extensions=True)
        return text | what_it_may_be(self.target.field_name)


def what_it_may_be(field_name: str) -> dict[str, Any]:
    match field_name:
        case "number":
            return {"format": "phone", "pattern": r"^[ (]*\+?[0-9 ()./-]+$", "maxLength": 64}
        case "code":
            return {"pattern": r"^[ -]*([0-9][ -]*){4,10}$", "maxLength": 64}
        case "purpose":
            # Not an enum of its own: the library would make a component of it, and has none for a blank one alone.
            return {"allOf": [{"enum": conf.purposes()}]}
    return {}


class OperationSchema:
    """What is mixed into the project's schema class."""

    operations: Mapping[str, Operation]
    method: str
    """The one that the library is describing."""

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
        return dict(sorted(self.described.answers.items()))

    def get_auth(self) -> list[dict[str, Any]]:
        """An empty requirement says that nobody need log in."""
        auth: list[dict[str, Any]] = super().get_auth()  # type: ignore[misc]
        return [each for each in auth if each or not self.described.needs_user]

    def get_operation(self, *args: Any, **options: Any) -> dict[str, Any] | None:
        """The library has no word for links."""
        operation: dict[str, Any] | None = super().get_operation(*args, **options)  # type: ignore[misc]
        for status, answer in (operation or {}).get("responses", {}).items():
            if status.startswith("2") and self.described.links:
                answer["links"] = self._links()
        return operation

    def _links(self) -> dict[str, Any]:
        uuid = IN_THE_ANSWER if self.described.answers_with_id else IN_THE_ADDRESS
        return {
            name: {"operationId": name, "parameters": {"uuid": uuid}, "description": text}
            for name, text in self.described.links.items()
        }
