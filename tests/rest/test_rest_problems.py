"""Each problem has the same body: a stable code, a sentence, and the wait."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import translation
from rest_framework import exceptions
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.throttling import BaseThrottle

from django_telroi.domain.invalid_numbers import NumberProblem
from django_telroi.models import CallControl, PhoneNumber, RefusalTally
from django_telroi.rest.endpoint import MAX_BODY_BYTES
from django_telroi.rest.permissions import IsPhoneVerified
from django_telroi.rest.views import StartView
from django_telroi.services.sentences import sentence
from django_telroi.services.typed_numbers import RejectedNumber
from django_telroi.simulator import Simulator
from django_telroi.testing import outbox
from tests.calling_site import Configure
from tests.rest.world import HOME, NUMBER, PREMIUM_NUMBER, UNKNOWN_ID, PhoneApi

pytestmark = pytest.mark.django_db

PERMISSION_DENIED = "You do not have permission to perform this action."
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


def seen(reply: Any) -> tuple[int, str]:
    """Check the fields of a body and its wait in the header. Return its status and code."""
    body = reply.json()
    assert set(body) - {"errors", "suggestions"} == {"code", "detail", "retry_after"}
    assert body["detail"]
    wait = body["retry_after"]
    assert reply.headers.get("Retry-After") == (None if wait is None else str(wait))
    return reply.status_code, body["code"]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("", "number_missing"),
        ("0803", "number_too_short"),
        ("0803 123 4567", "country_code_missing"),
        ("+234 803 123 4567 ext. 5", "number_has_extension"),
        ("+2348031234567, +2348021234567", "several_numbers"),
        ("abc", "invalid_number"),
        ("+234 803 123 456x", "invalid_number"),
        ("\x00", "invalid_number"),
        ("\ud800", "invalid_number"),
        ("+2348031234567" * 9, "invalid_number"),
    ],
)
def test_an_invalid_number_is_refused_with_its_reason(api: PhoneApi, number: str, problem: str) -> None:
    reply = api.start(number)

    assert seen(reply) == (400, "invalid_number")
    body = reply.json()
    assert body["errors"] == {"number": [{"message": body["detail"], "code": problem}]}
    assert body["detail"] == RejectedNumber(NumberProblem(problem), []).sentence


def test_a_number_that_is_never_called_is_refused(api: PhoneApi) -> None:
    assert seen(api.start(PREMIUM_NUMBER)) == (400, "not_callable")


def test_the_wait_is_exact_to_the_second(api: PhoneApi, site_clock: Any) -> None:
    api.start()

    reply = api.start()

    assert seen(reply) == (429, "cooldown")
    assert reply.json()["retry_after"] == 60
    assert reply.json()["detail"] == sentence("cooldown", retry_after=60)


def test_a_refusal_is_counted(api: PhoneApi) -> None:
    api.start(PREMIUM_NUMBER)

    assert RefusalTally.objects.get().code == "not_callable"


def test_a_failed_call_is_answered_as_its_refusal(api: PhoneApi, telroi: Simulator) -> None:
    telroi.fail_next("service_unavailable")

    reply = api.start()

    assert seen(reply) == (503, "unavailable")
    assert reply.json()["retry_after"] in (14, 15)
    assert reply["Retry-After"] == str(reply.json()["retry_after"])


class CamelCaseRenderer(JSONRenderer):
    """Writes the names of fields in camel case, as a renderer of a known package."""

    def render(self, data: Any, *args: Any, **options: Any) -> bytes:
        named = {re.sub("_([a-z])", lambda found: found[1].upper(), name): value for name, value in data.items()}
        return super().render(named, *args, **options)


class YamlRenderer(JSONRenderer):
    """Stands for a renderer of another type. JSON is valid YAML."""

    media_type = "application/yaml"
    format = "yaml"


RENDERERS = [BrowsableAPIRenderer, CamelCaseRenderer, YamlRenderer]
CAMEL_CASE = ("application/json", {"code", "detail", "retryAfter"})


@pytest.mark.parametrize(
    ("renderers", "accept", "made"),
    [
        (RENDERERS, "application/json", CAMEL_CASE),
        (RENDERERS, "application/yaml", ("application/yaml", {"code", "detail", "retry_after"})),
        (RENDERERS, "text/html", CAMEL_CASE),
        (RENDERERS[:1], "text/html", ("application/json", {"code", "detail", "retry_after"})),
    ],
)
def test_a_failure_is_rendered_as_the_project_chose_but_never_as_a_page(
    api: PhoneApi, telroi: Simulator, monkeypatch: pytest.MonkeyPatch, renderers: Any, accept: str, made: Any
) -> None:
    monkeypatch.setattr(StartView, "renderer_classes", renderers)
    telroi.fail_next("service_unavailable")

    reply = api.post("verifications/", {"number": NUMBER}, headers={"Accept": accept})

    assert (reply.status_code, (reply["Content-Type"], set(json.loads(reply.content)))) == (503, made)


def test_a_repeat_of_a_failed_call_gets_the_same_refusal(api: PhoneApi, telroi: Simulator) -> None:
    telroi.fail_next("unauthorized")

    replies = [api.start(key=UNKNOWN_ID) for _ in range(2)]

    assert [seen(reply) for reply in replies] == [(503, "misconfigured")] * 2
    assert len(telroi.requests) == 1


@pytest.mark.parametrize("body", [{}, {"number": None}, {"number": 2348031234567}, {"number": ["+234"]}, [], "x", 7])
def test_a_request_with_a_missing_field_names_it(api: PhoneApi, body: object) -> None:
    reply = api.post("verifications/", body)

    assert seen(reply) == (400, "invalid")
    assert set(reply.json()["errors"]) <= {"number", "non_field_errors"}
    assert outbox == []


@pytest.mark.parametrize("body", ["{", '{"number": NaN}', "[" * 60_000, '{"number":' * 6_000, b"\xff", "1" * 5_000])
def test_invalid_json_is_rejected(api: PhoneApi, body: str | bytes) -> None:
    assert seen(api.send("verifications/", body)) == (400, "parse_error")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_body_that_is_too_large_is_not_read(api: PhoneApi, content_type: str) -> None:
    reply = api.send("verifications/", "x" * (MAX_BODY_BYTES + 1), content_type=content_type)

    assert seen(reply) == (413, "too_large")


def test_more_fields_than_django_allows_are_rejected(api: PhoneApi) -> None:
    assert seen(api.send("verifications/", "a=&" * 2_000, content_type=FORM)) == (400, "parse_error")


def test_a_multipart_form_without_a_boundary_is_rejected(api: PhoneApi) -> None:
    reply = api.send("verifications/", "--x", content_type=MULTIPART)

    assert seen(reply) == (400, "parse_error")


def test_an_unsupported_media_type_is_rejected(api: PhoneApi) -> None:
    assert seen(api.send("verifications/", "number", content_type="text/plain")) == (415, "unsupported_media_type")


def test_an_unsupported_accept_header_is_rejected(api: PhoneApi) -> None:
    reply = api.client.get(f"{HOME}verifications/{UNKNOWN_ID}/", headers={"Accept": "application/pdf"})

    assert seen(reply) == (406, "not_acceptable")


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_an_unsupported_method_is_rejected_with_the_allowed_ones(api: PhoneApi, method: str) -> None:
    reply = getattr(api.client, method)(f"{HOME}verifications/")

    assert seen(reply) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize(
    "key",
    [
        *("", "1", "not a uuid", "{" + UNKNOWN_ID + "}", "urn:uuid:" + UNKNOWN_ID, UNKNOWN_ID + "0"),
        *('"', '""', f'"{UNKNOWN_ID}', f'{UNKNOWN_ID}"', f'""{UNKNOWN_ID}""', f"'{UNKNOWN_ID}'"),
    ],
)
def test_a_key_that_is_not_a_uuid_is_rejected(api: PhoneApi, key: str) -> None:
    assert seen(api.start(key=key)) == (400, "invalid_idempotency_key")
    assert outbox == []


@pytest.mark.parametrize("key", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-FFFFFFFFFFFF"])
def test_the_nil_and_the_max_uuid_are_rejected_as_a_key(api: PhoneApi, key: str) -> None:
    assert seen(api.start(key=key)) == (400, "invalid_idempotency_key")
    assert outbox == []


def test_the_key_of_another_request_is_rejected(api: PhoneApi) -> None:
    api.start(key=UNKNOWN_ID)

    reply = api.start("+2348029876543", key=UNKNOWN_ID)

    assert seen(reply) == (409, "idempotency_key_used")
    assert len(outbox) == 1


@pytest.mark.parametrize("path", ["", "check/", "call-again/", "cancel/"])
def test_unknown_and_malformed_ids_are_not_found(api: PhoneApi, path: str) -> None:
    ids = [UNKNOWN_ID, "1", "null", "%00", "{" + UNKNOWN_ID + "}", UNKNOWN_ID.replace("-", ""), "x" * 500]

    replies = [
        api.post(f"verifications/{each}/{path}", {"code": "123456"}) if path else api.follow(each) for each in ids
    ]

    assert {seen(reply) for reply in replies} == {(404, "not_found")}
    assert len({reply.content for reply in replies}) == 1


def test_the_throttle_of_the_project_is_answered_with_its_wait(api: PhoneApi, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(BaseThrottle):
        def allow_request(self, request: object, view: object) -> bool:
            return False

        def wait(self) -> float:
            return 41.2

    monkeypatch.setattr(StartView, "throttle_classes", [Closed])

    reply = api.start()

    assert seen(reply) == (429, "throttled")
    assert reply.json()["retry_after"] == 42


def test_wrong_credentials_are_answered_with_a_challenge(api: PhoneApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartView, "authentication_classes", [BasicAuthentication])

    reply = api.send("verifications/", "{}", headers={"Authorization": "Basic YTpi"})

    assert seen(reply) == (401, "authentication_failed")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="api"'


def test_a_permission_of_the_project_decides_with_its_own_message(
    api: PhoneApi, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ClosedToday(BasePermission):
        def has_permission(self, request: object, view: object) -> bool:
            raise PermissionDenied

    monkeypatch.setattr(StartView, "permission_classes", [ClosedToday])
    assert seen(api.start()) == (403, "permission_denied")

    monkeypatch.setattr(StartView, "permission_classes", [IsPhoneVerified])
    assert seen(PhoneApi(ada).start()) == (403, "phone_not_verified")
    assert outbox == []


def raising(error: Exception) -> type[BasePermission]:
    """Return a permission of a project that raises ``error``."""

    class Raises(BasePermission):
        def has_permission(self, request: object, view: object) -> bool:
            raise error

    return Raises


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (exceptions.AuthenticationFailed(["a", "b"]), ("authentication_failed", "a b")),  # type: ignore[arg-type]
        (exceptions.AuthenticationFailed(["a", "b"], "own"), ("own", "a b")),  # type: ignore[arg-type]
        (exceptions.PermissionDenied({"code": ["own"], "detail": ["a", "b"]}), ("own", "a b")),
        (exceptions.PermissionDenied({"code": "own"}), ("own", PERMISSION_DENIED)),
        (exceptions.PermissionDenied({"reason": "a"}), ("permission_denied", PERMISSION_DENIED)),
        (exceptions.PermissionDenied([]), ("permission_denied", PERMISSION_DENIED)),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_an_error_of_the_project_has_one_code_and_one_text(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch, error: Exception, problem: tuple[str, str]
) -> None:
    monkeypatch.setattr(StartView, "permission_classes", [raising(error)])

    reply = api.start()

    assert seen(reply)[0] == 403
    assert (reply.json()["code"], reply.json()["detail"]) == problem


@pytest.mark.parametrize(
    ("detail", "errors"),
    [
        ("x", {"non_field_errors": ["x"]}),
        (["x", "y"], {"non_field_errors": ["x", "y"]}),
        ({"number": "x"}, {"number": ["x"]}),
        ({"number": ["x"]}, {"number": ["x"]}),
    ],
    ids=str,
)
def test_the_errors_of_a_validation_of_the_project_are_an_object_of_lists(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch, detail: Any, errors: dict[str, list[str]]
) -> None:
    monkeypatch.setattr(StartView, "permission_classes", [raising(exceptions.ValidationError(detail))])

    reply = api.start()

    assert (seen(reply), reply.json()["errors"]) == ((400, "invalid"), errors)


@pytest.mark.parametrize("wait", [0, -3.2, 0.4])
def test_a_wait_of_the_project_is_at_least_a_second(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch, wait: float
) -> None:
    class Closed(BaseThrottle):
        def allow_request(self, request: object, view: object) -> bool:
            return False

        def wait(self) -> float:
            return wait

    monkeypatch.setattr(StartView, "permission_classes", [raising(exceptions.Throttled(wait=wait))])
    raised = api.start()
    monkeypatch.setattr(StartView, "permission_classes", [])
    monkeypatch.setattr(StartView, "throttle_classes", [Closed])
    throttled = api.start()

    assert seen(raised) == seen(throttled) == (429, "throttled")
    assert raised.json()["retry_after"] == throttled.json()["retry_after"] == 1
    assert throttled.json()["detail"] == raised.json()["detail"]
    assert "available in 1 second" in throttled.json()["detail"]


def test_a_throttle_without_a_wait_names_none(api: PhoneApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartView, "permission_classes", [raising(exceptions.Throttled())])

    reply = api.start()

    assert (seen(reply), reply.json()["retry_after"]) == ((429, "throttled"), None)


class BusyError(exceptions.APIException):
    """An error of a project with a wait of its own."""

    status_code = 503

    def __init__(self, wait: object) -> None:
        super().__init__("Later.", "busy")
        self.wait = wait


@pytest.mark.parametrize(
    ("wait", "seconds"), [(1.2, 2), (0, 1), (float("inf"), None), (float("nan"), None), ("5", None)]
)
def test_a_wait_in_a_class_of_the_project_is_in_whole_seconds(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch, wait: object, seconds: int | None
) -> None:
    monkeypatch.setattr(StartView, "permission_classes", [raising(BusyError(wait))])

    reply = api.start()

    assert (seen(reply), reply.json()["retry_after"]) == ((503, "busy"), seconds)


@pytest.mark.parametrize("path", ["verifications/", f"verifications/{UNKNOWN_ID}/cancel/", "phones/"])
def test_an_unsupported_format_in_the_url_is_rejected_like_an_unsupported_accept_header(
    api: PhoneApi, path: str
) -> None:
    replies = [
        api.client.post(f"{HOME}{path}?format=xml"),
        api.client.post(f"{HOME}{path}", headers={"Accept": "application/xml"}),
    ]

    assert [seen(reply) for reply in replies] == [(406, "not_acceptable")] * 2
    assert replies[0].json() == replies[1].json()


def test_an_invalid_content_length_is_ignored(api: PhoneApi) -> None:
    reply = api.client.post(f"{HOME}verifications/", "{}", content_type=JSON, CONTENT_LENGTH="x")

    assert seen(reply) == (400, "invalid")


def test_no_answer_may_be_cached(api: PhoneApi) -> None:
    started = api.started()

    for reply in (api.start(), api.follow(started), api.follow(UNKNOWN_ID), api.phones()):
        assert "no-store" in reply.headers["Cache-Control"]


def test_the_sentence_has_the_language_of_the_request(api: PhoneApi, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]

    with translation.override("en"):
        reply = api.client.get(f"{HOME}phones/", headers={"Accept-Language": "de"})

    assert reply.json()["detail"] == "Anmeldedaten fehlen."


def test_stopped_calls_and_blocked_numbers_are_refused_before_any_call(api: PhoneApi) -> None:
    PhoneNumber.objects.create(number=NUMBER, last4="4567", blocked_at="2030-01-01T00:00:00Z")

    assert seen(api.start()) == (400, "not_callable")
    CallControl.objects.create(pk=CallControl.SWITCH, stopped_at="2030-01-01T00:00:00Z")
    assert seen(api.start("+2348029876543")) == (503, "calls_stopped")
    assert outbox == []


def test_a_site_without_a_backend_is_unavailable(api: PhoneApi, configure: Configure) -> None:
    configure(BACKEND="example.NoSuchBackend")

    assert seen(api.start()) == (503, "misconfigured")


def test_the_fields_of_a_request_have_the_names_of_the_reference_also_with_a_renderer_in_camel_case(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StartView, "renderer_classes", [CamelCaseRenderer])

    replies = [api.post("verifications/", {"number": NUMBER, name: 5}) for name in ("bot_token", "botToken")]

    assert [reply.status_code for reply in replies] == [400, 201]
    assert "callAgainIn" in replies[1].json()
