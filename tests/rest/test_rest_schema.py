"""The schema of drf-spectacular is complete and correct."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from django.utils import timezone
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.validation import validate_schema
from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from django_telroi import dispatch, errors
from django_telroi.contrib.phone_verify import phone_verify_operations  # noqa: F401 - its URLs import it
from django_telroi.domain.states import Status
from django_telroi.rest import openapi  # noqa: F401 - a site with the library as an app has it imported
from django_telroi.rest.endpoint import MAX_BODY_BYTES, PhoneEndpoint
from django_telroi.rest.permissions import IsAuthenticatedOrVerifying
from django_telroi.rest.views import PhonesView, StartView
from django_telroi.services import CheckOutcome
from tests.calling_site import Configure
from tests.rest.world import PhoneApi
from tests.services.world import let_time_pass

HOME = "/api/phone/"
OURS = [path("api/phone/", include("django_telroi.rest.urls"))]
GENERIC = (
    exceptions.ValidationError,
    exceptions.ParseError,
    exceptions.NotAuthenticated,
    exceptions.AuthenticationFailed,
    exceptions.PermissionDenied,
    exceptions.NotFound,
    exceptions.NotAcceptable,
    exceptions.UnsupportedMediaType,
    exceptions.Throttled,
)
CODES_OF_LOGIN = {"not_authenticated", "authentication_failed", "user_not_found"}


def document_of(patterns: Any) -> Any:
    GENERATOR_STATS.reset()
    document = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    assert not GENERATOR_STATS, dict(GENERATOR_STATS._warn_cache)
    return document


@pytest.fixture
def document() -> Any:
    return document_of(OURS)


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for methods in document["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def examples(document: Any) -> Iterator[tuple[str, str, Any, Any]]:
    """Return operation, status, schema and example of each answer."""
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for media in answer["content"].values():
                for example in media["examples"].values():
                    yield name, status, media["schema"], example["value"]


def test_the_document_is_valid(document: Any) -> None:
    validate_schema(document)


def test_it_contains_every_endpoint(document: Any) -> None:
    one = HOME + "verifications/{uuid}/"

    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == {
        (HOME + "verifications/", "post"),
        (one, "get"),
        (one + "check/", "post"),
        (one + "call-again/", "post"),
        (one + "cancel/", "post"),
        (HOME + "phones/", "get"),
        (HOME + "phones/", "post"),
    }


def test_it_contains_every_code_with_its_status(document: Any) -> None:
    named = {(value["code"], int(status)) for _, status, _, value in examples(document) if "code" in value}

    refusals = {(refusal.code, refusal.http_status) for refusal in errors.VerificationRefused.__subclasses__()}
    refusals |= {("proof_rejected", 400), ("number_taken", 409)}
    ours = {("invalid_idempotency_key", 400), ("idempotency_key_used", 409), ("too_large", 413)}
    of_login = {(code, 403) for code in CODES_OF_LOGIN}
    generic = {(each.default_code, each.status_code) for each in GENERIC}
    assert named == refusals | ours | of_login | {each for each in generic if each[1] != 401}


def statuses_of_login(document: Any) -> dict[str, set[tuple[str, str]]]:
    """Return the status and code of each answer that is about the login, by operation."""
    found: dict[str, set[tuple[str, str]]] = {name: set() for name, _ in operations(document)}
    for name, status, _, value in examples(document):
        if "code" in value and value["code"] in CODES_OF_LOGIN:
            found[name].add((status, value["code"]))
    return found


@pytest.mark.parametrize(
    ("authentication", "status"),
    [
        ([TokenAuthentication, SessionAuthentication], 401),
        ([JWTAuthentication], 401),
        ([SessionAuthentication, JWTAuthentication], 403),
    ],
)
@pytest.mark.django_db
def test_an_answer_about_the_login_has_the_status_of_the_authentication_of_the_view(
    monkeypatch: pytest.MonkeyPatch, authentication: Any, status: int
) -> None:
    """With DRF the status is 401 only if the first class of authentication has a challenge."""
    monkeypatch.setattr(PhoneEndpoint, "authentication_classes", authentication)
    token = {"Authorization": f"Bearer {AccessToken.for_user(User(pk=10**6))}"}

    document = document_of(OURS)

    assert statuses_of_login(document) == {
        name: {(str(status), code) for code in CODES_OF_LOGIN} for name, _ in operations(document)
    }
    real = APIClient().get(f"{HOME}phones/")
    assert (real.status_code, real.json()["code"]) == (status, "not_authenticated")
    if JWTAuthentication in authentication:
        deleted = APIClient().get(f"{HOME}phones/", headers=token)
        assert (deleted.status_code, deleted.json()["code"]) == (status, "user_not_found")
    for _, operation in operations(document):
        for number in {"401", "403"} & set(operation["responses"]):
            answer = operation["responses"][number]
            shown = answer["content"]["application/json"]["examples"].values()
            codes = ", ".join(f"`{each['value']['code']}`" for each in shown)
            assert answer["description"] == f"One of: {codes}."


def test_an_endpoint_without_authentication_has_no_answer_about_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhoneEndpoint, "authentication_classes", [])

    assert [each for each in statuses_of_login(document_of(OURS)).values() if each] == []


def test_every_request_may_have_a_body_that_is_too_large(document: Any) -> None:
    length = str(MAX_BODY_BYTES + 1)

    reply = APIClient().generic("GET", f"{HOME}phones/", content_type="application/json", CONTENT_LENGTH=length)

    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert [name for name, operation in operations(document) if "413" not in operation["responses"]] == []


def test_a_cancel_may_have_a_body_in_another_charset(document: Any) -> None:
    """It is answered so before the body is read, see test_rest_charsets."""
    found = {
        (status, value["code"])
        for name, status, _, value in examples(document)
        if name == "phone_cancel"
        if "code" in value
    }

    assert found >= {("400", "parse_error"), ("415", "unsupported_media_type")}


def test_it_contains_every_outcome_with_its_statuses(document: Any) -> None:
    named = {(value["outcome"], int(status)) for _, status, _, value in examples(document) if "outcome" in value}

    assert named == {
        ("verified", 200),
        ("wrong_code", 200),
        ("locked", 200),
        ("locked", 409),
        ("closed", 409),
        ("not_ready", 409),
        ("in_progress", 409),
        ("number_taken", 409),
        ("answer_lost", 409),
        ("already_verified", 409),
        ("judged_elsewhere", 409),
        ("invalid_code", 400),
        ("expired", 410),
        ("unavailable", 503),
    }
    assert {outcome for outcome, _ in named} == set(CheckOutcome)


def test_it_contains_every_status_of_a_verification(document: Any) -> None:
    named = {value["status"] for _, _, _, value in examples(document) if "status" in value}

    assert named == set(Status)
    assert set(document["components"]["schemas"]["StatusEnum"]["enum"]) == set(Status)


def test_every_example_matches_its_schema(document: Any) -> None:
    components = as_json_schema(document["components"])
    seen = 0

    for _, _, schema, value in examples(document):
        jsonschema.validate(value, {**as_json_schema(schema), "components": components})
        seen += 1

    assert seen > 80


def as_json_schema(schema: Any) -> Any:
    """Convert OpenAPI 3.0's ``nullable`` to the type ``null`` of JSON Schema."""
    if isinstance(schema, list):
        return [as_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    same = {name: as_json_schema(value) for name, value in schema.items()}
    if same.pop("nullable", False):
        same["type"] = [same["type"], "null"]
    return same


def test_a_verification_links_to_every_next_operation(document: Any) -> None:
    [start] = [operation for name, operation in operations(document) if name == "phone_start"]

    for status in ("200", "201", "202"):
        links = start["responses"][status]["links"]
        assert set(links) == {"phone_follow", "phone_check", "phone_call_again", "phone_cancel"}
        assert {name for name, _ in operations(document)} >= {link["operationId"] for link in links.values()}
        assert {link["parameters"]["uuid"] for link in links.values()} == {"$response.body#/id"}


def test_only_the_list_of_numbers_needs_a_user(document: Any) -> None:
    optional = {name for name, operation in operations(document) if {} in operation["security"]}

    assert {name for name, _ in operations(document)} - optional == {"phone_numbers", "phone_add"}


def test_the_permission_that_lets_visitors_verify_needs_no_login_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhoneEndpoint, "permission_classes", [IsAuthenticatedOrVerifying])

    optional = {name for name, operation in operations(document_of(OURS)) if {} in operation["security"]}

    assert optional == {
        "phone_start",
        "phone_follow",
        "phone_check",
        "phone_call_again",
        "phone_cancel",
    }


def test_it_lists_the_purposes_of_the_site(configure: Configure) -> None:
    configure(PURPOSES=["", "payout"])

    purpose = document_of(OURS)["components"]["schemas"]["PhoneStart"]["properties"]["purpose"]

    assert purpose["allOf"] == [{"enum": ["", "payout"]}]


@pytest.mark.django_db
def test_it_says_when_expires_at_applies(
    document: Any, configure: Configure, monkeypatch: pytest.MonkeyPatch, telroi: object
) -> None:
    """A queued call that is not placed expires earlier."""
    configure(DISPATCH="celery")
    monkeypatch.setattr(dispatch, "send", lambda attempt_id: dispatch.Published.DONE)
    api = PhoneApi()
    queued = api.start().json()
    let_time_pass(121)

    expired = api.follow(queued["id"]).json()

    assert (queued["status"], expired["status"]) == ("queued", "expired")
    assert datetime.fromisoformat(queued["expires_at"]) > timezone.now()
    text = document["components"]["schemas"]["PhoneVerification"]["properties"]["expires_at"]["description"]
    assert re.match("While the status is `placed` or `unknown`, .* A `queued` call can expire earlier", text)


def test_it_has_the_language_of_the_request(document: Any) -> None:
    waits = {value["detail"] for _, status, _, value in examples(document) if status == "429"}

    assert any("You can ask for another call in 42 seconds." in detail for detail in waits)


class OwnStartView(StartView):
    pass


class UndocumentedView(StartView):
    schema = None


def test_a_subclass_is_described_like_our_view_by_default(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

    class OwnPhonesView(PhonesView):
        @extend_schema(operation_id="my_numbers", responses={204: None})
        def get(self, request: Any, *args: Any, **kwargs: Any) -> Response:
            return super().get(request, *args, **kwargs)

    own = [
        path("own/start/", OwnStartView.as_view()),
        path("own/numbers/", OwnPhonesView.as_view()),
        path("own/hidden/", UndocumentedView.as_view()),
    ]

    found = dict(operations(document_of(own)))

    assert set(found) == {"phone_start", "my_numbers", "phone_add"}
    assert set(found["my_numbers"]["responses"]) == {"204"}
    assert "429" in found["phone_start"]["responses"]


def test_the_example_of_an_invalid_number_has_all_fields_of_the_response(document: Any) -> None:
    bodies = {name: body for name, _, _, body in examples(document) if "suggestions" in body}

    assert set(bodies["phone_start"]) == {"code", "detail", "retry_after", "errors", "suggestions"}
    assert bodies["phone_start"]["errors"]["number"][0]["code"] == "country_code_missing"
    assert bodies["phone_start"]["suggestions"] == ["+2348031234567"]


def test_it_contains_the_endpoints_for_clients_of_django_phone_verify() -> None:
    document = document_of([*OURS, path("api/", include("django_telroi.contrib.phone_verify.urls"))])

    validate_schema(document)
    found = dict(operations(document))
    fields = {
        name: fields_of(document, found[name]["requestBody"]) for name in found if name.startswith("phone_verify")
    }
    answers = {name: set(found[name]["responses"]) for name in fields}
    assert fields == {
        "phone_verify_register": {"phone_number", "bot_token"},
        "phone_verify_verify": {"phone_number", "session_token", "security_code"},
    }
    assert answers == {
        "phone_verify_register": {"200", "400", "403", "429", "503"},
        "phone_verify_verify": {"200", "400", "429", "503"},
    }
    assert fields_of(document, found["phone_verify_register"]["responses"]["200"]) == {"session_token"}
    assert fields_of(document, found["phone_verify_verify"]["responses"]["200"]) == {"message", "proof"}


def fields_of(document: Any, body: Any) -> set[str]:
    """Return the names of the fields of a JSON body."""
    component = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return set(document["components"]["schemas"][component]["properties"])


def test_an_endpoint_without_a_description_is_left_to_the_library(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}

    class OwnEndpoint(PhoneEndpoint):
        @extend_schema(operation_id="my_endpoint", request=None, responses={204: None})
        def post(self, request: Any, *args: Any, **kwargs: Any) -> Response:
            return Response(status=204)

    found = dict(operations(document_of([path("own/", OwnEndpoint.as_view())])))

    assert set(found["my_endpoint"]["responses"]) == {"204"}
