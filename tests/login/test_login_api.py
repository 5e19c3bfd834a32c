"""The endpoints that log in by phone."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.test import Client
from django.urls import include, path
from drf_spectacular.validation import validate_schema
from rest_framework import exceptions

from django_telroi import services
from django_telroi.contrib.login import login_operations  # noqa: F401 - a site with drf-spectacular has it imported
from django_telroi.errors import TooManyRequests, Unavailable, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.login.conftest import Configure
from tests.login.test_login_attacks import API, post
from tests.rest.test_rest_schema import as_json_schema, document_of, operations
from tests.services.world import wrong
from tests.web.visitor import NUMBER


def started(client: Client, number: str = NUMBER) -> tuple[str, str]:
    """Start a login. Return its URL and the code that the call reads out."""
    reply = post(client, API, number=number)
    assert reply.status_code == 201, reply.json()
    return f"{API}{reply.json()['id']}/", str(last_code_for(number))


class TestTheSession:
    def test_the_right_code_logs_in(self, ada: User) -> None:
        client = Client()
        url, code = started(client)

        reply = post(client, f"{url}check/", code=code)

        assert (reply.status_code, reply.json()) == (
            200,
            {
                "verified": True,
                "outcome": "verified",
                "tries_left": 0,
                "wrong_codes_left": None,
                "proof": None,
                "detail": "You are logged in.",
            },
        )
        assert client.get("/home/").content == b"home of ada"

    def test_a_script_of_the_site_sends_its_csrf_token(self, ada: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.get("/log-in/")
        url, code = started(client)
        token = {"X-CSRFToken": client.cookies["csrftoken"].value}

        reply = client.post(f"{url}check/", {"code": code}, content_type="application/json", headers=token)

        assert (reply.status_code, client.get("/home/").status_code) == (200, 200)

    def test_a_wrong_code_is_an_answer(self, ada: User) -> None:
        client = Client()
        url, code = started(client)

        reply = post(client, f"{url}check/", code=wrong(code))

        assert (reply.status_code, reply.json()["outcome"], reply.json()["tries_left"]) == (200, "wrong_code", 2)
        assert client.get(url).json()["status"] == "placed"

    def test_a_retry_places_one_call(self, ada: User) -> None:
        key = {"Idempotency-Key": str(uuid4())}

        replies = [Client().post(API, {"number": NUMBER}, "application/json", headers=key) for _ in range(2)]

        assert len(outbox) == 1
        assert replies[0].json() == replies[1].json()
        assert UUID(replies[0].json()["id"]) == UUID(key["Idempotency-Key"])

    def test_the_call_belongs_to_no_user(self, ada: User) -> None:
        client = Client()
        client.force_login(User.objects.create_user("bob"))
        url, code = started(client)

        post(client, f"{url}check/", code=code)

        assert VerificationAttempt.objects.get().user is None
        assert client.get("/home/").content == b"home of ada"

    def test_the_call_can_be_repeated_and_canceled(self, ada: User, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=0)
        client = Client()
        url, _ = started(client)

        again = post(client, f"{url}call-again/")
        canceled = post(client, f"{API}{again.json()['id']}/cancel/")

        assert (again.status_code, canceled.json()["status"]) == (201, "canceled")


class TestTheSitesFunction:
    def test_makes_the_body(self, ada: User, configure: Configure) -> None:
        configure(LOGIN_RESPONSE="tests.login.site.token_of")
        client = Client(enforce_csrf_checks=True)
        url, code = started(client)

        reply = post(client, f"{url}check/", code=code)

        assert (reply.status_code, reply.json()) == (200, {"token": "token of ada", "host": "testserver"})
        assert "_auth_user_id" not in client.session

    def test_gets_a_user_that_django_can_log_in(self, ada: User, configure: Configure) -> None:
        seen: list[Any] = []

        def body_of(request: HttpRequest, user: Any) -> dict[str, str]:
            seen.append((request.path, user, user.backend))
            return {}

        configure(LOGIN_RESPONSE=body_of)
        url, code = started(Client())

        post(Client(), f"{url}check/", code=code)

        assert seen == [(f"{url}check/", ada, "django.contrib.auth.backends.ModelBackend")]

    @pytest.mark.parametrize(
        "error",
        [
            OperationalError("locked"),
            InterfaceError(),
            Unavailable(),
            TooManyRequests(5),
            SuspiciousOperation(),
            KeyError(),
        ],
        ids=repr,
    )
    def test_that_fails_is_an_error_500_and_not_the_same_code_again(
        self, ada: User, configure: Configure, error: Exception
    ) -> None:
        def fails(request: HttpRequest, user: Any) -> None:
            raise error

        configure(LOGIN_RESPONSE=fails)
        url, code = started(Client())
        client = Client(raise_request_exception=False)

        replies = [client.post(f"{url}check/", {"code": code}, "application/json") for _ in range(2)]

        assert [each.status_code for each in replies] == [500, 409]
        assert replies[1].json()["code"] == "code_used"

    @pytest.mark.parametrize(
        ("error", "told", "wait"),
        [(TooManyRequests(1.5), (429, "too_many_requests"), "2"), (VerificationRefused(), (503, "unavailable"), None)],
        ids=repr,
    )
    def test_that_rejects_a_login_may_raise_any_refusal(
        self, ada: User, configure: Configure, error: Exception, told: tuple[int, str], wait: str | None
    ) -> None:
        def refuses(request: HttpRequest, user: Any) -> bool:
            raise error

        configure(MAY_LOG_IN=refuses)
        url, code = started(Client())

        reply = post(Client(), f"{url}check/", code=code)

        assert (reply.status_code, reply.json()["code"]) == told
        assert reply.headers.get("Retry-After") == wait

    def test_may_answer_with_an_error_of_its_own(self, ada: User, configure: Configure) -> None:
        def refuses(request: HttpRequest, user: Any) -> None:
            raise exceptions.PermissionDenied

        configure(LOGIN_RESPONSE=refuses)
        url, code = started(Client())

        assert post(Client(), f"{url}check/", code=code).status_code == 403

    def test_a_path_of_no_function_uses_up_no_code(self, ada: User, configure: Configure) -> None:
        configure(LOGIN_RESPONSE="tests.login.site.nothing")
        url, code = started(Client())

        reply = Client(raise_request_exception=False).post(f"{url}check/", {"code": code}, "application/json")

        assert (reply.status_code, VerificationAttempt.objects.get().status) == (500, "placed")

    def test_an_expired_token_does_not_stop_a_login(self, site: Any, ada: User) -> None:
        headers = {"Authorization": "Bearer expired"}

        reply = Client().post(API, {"number": NUMBER}, "application/json", headers=headers)

        assert reply.status_code == 201


def test_the_id_of_a_call_that_is_no_login_is_not_found_and_uses_no_try(ada: User) -> None:
    attempt = services.start_verification(NUMBER)
    code = str(last_code_for(NUMBER))

    replies = [post(Client(), f"{API}{attempt.uuid}/check/", code=typed) for typed in (wrong(code), code)]

    assert [reply.status_code for reply in replies] == [404, 404]
    attempt.refresh_from_db()
    assert (attempt.status, attempt.tries) == ("placed", 0)


class TestNoAccount:
    def test_the_right_code_gives_a_proof_for_a_sign_up(self, db: None) -> None:
        client = Client()
        url, code = started(client)

        replies = [post(client, f"{url}check/", code=code) for _ in range(2)]

        assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(409, "no_account")] * 2
        assert services.read_proof(replies[1].json()["proof"], purpose="login") == NUMBER
        assert re.search("no account", replies[0].json()["detail"])

    def test_an_inactive_user_gets_the_same_answer(self, ada: User) -> None:
        User.objects.update(is_active=False)
        client = Client()
        url, code = started(client)

        reply = post(client, f"{url}check/", code=code)

        assert (reply.status_code, reply.json()["code"]) == (409, "no_account")
        assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("body", [{}, {"number": ""}, {"number": "call me"}, {"number": 5}])
def test_an_invalid_number_is_rejected(db: None, body: dict[str, Any]) -> None:
    reply = post(Client(), API, **body)

    assert (reply.status_code, len(outbox)) == (400, 0)


@pytest.mark.parametrize("keys", [{}, {"LOGIN_RESPONSE": "tests.login.site.token_of"}])
def test_the_openapi_schema_has_both_apis(configure: Configure, keys: dict[str, Any]) -> None:
    configure(**keys)
    both = [
        path("api/phone/", include("django_telroi.rest.urls")),
        path("api/log-in/", include("django_telroi.contrib.login.api_urls")),
    ]

    document = document_of(both)

    validate_schema(document)
    names = Counter(name for name, _ in operations(document))
    assert set(names.values()) == {1}
    assert {name for name in names if "login" in name} == {
        "phone_login_start",
        "phone_login_follow",
        "phone_login_check",
        "phone_login_call_again",
        "phone_login_cancel",
    }
    assert "purpose" not in document["components"]["schemas"]["LoginStart"]["properties"]


CHECK = "/api/log-in/{uuid}/check/"


class TestTheSchemaOfTheCheck:
    """It describes the bodies that the endpoint really answers with."""

    def document(self) -> Any:
        return document_of([path("api/log-in/", include("django_telroi.contrib.login.api_urls"))])

    def content(self, document: Any, status: int) -> Any:
        return document["paths"][CHECK]["post"]["responses"][str(status)]["content"]["application/json"]

    def validate(self, reply: Any) -> None:
        document = self.document()
        validate_schema(document)
        schema = as_json_schema(self.content(document, reply.status_code)["schema"])
        jsonschema.validate(reply.json(), schema | {"components": as_json_schema(document["components"])})

    @pytest.mark.parametrize("keys", [{}, {"LOGIN_RESPONSE": "tests.login.site.token_of"}])
    def test_has_the_body_of_a_wrong_code_and_of_the_right_one(
        self, ada: User, configure: Configure, keys: dict[str, Any]
    ) -> None:
        configure(**keys)
        url, code = started(Client())

        for typed in (wrong(code), code):
            reply = post(Client(), f"{url}check/", code=typed)

            assert reply.status_code == 200
            self.validate(reply)

    @pytest.mark.parametrize("keys", [{}, {"LOGIN_RESPONSE": "tests.login.site.token_of"}])
    def test_names_the_component_of_a_wrong_code(self, configure: Configure, keys: dict[str, Any]) -> None:
        configure(**keys)

        content = self.content(self.document(), 200)

        component = {"$ref": "#/components/schemas/PhoneCheck"}
        assert content["schema"] == component or component in content["schema"]["anyOf"]
        outcomes = {each["value"]["outcome"] for each in content["examples"].values()}
        assert outcomes == ({"wrong_code", "locked"} if keys else {"verified", "wrong_code", "locked"})

    def test_shows_the_real_body_of_a_login(self, ada: User) -> None:
        url, code = started(Client())

        reply = post(Client(), f"{url}check/", code=code)

        bodies = [each["value"] for each in self.content(self.document(), 200)["examples"].values()]
        assert reply.json() in bodies

    @pytest.mark.parametrize(
        ("setting", "name"), [("HTTP_X_CSRFTOKEN", "X-CSRFToken"), ("HTTP_X_XSRF_TOKEN", "X-Xsrf-Token")]
    )
    def test_has_the_header_of_the_csrf_token(self, ada: User, site: Any, setting: str, name: str) -> None:
        site.CSRF_HEADER_NAME = setting
        client = Client(enforce_csrf_checks=True)
        client.get("/log-in/")
        url, code = started(client)
        [header] = [each for each in self.headers() if each["name"] == name]
        token = {header["name"]: client.cookies["csrftoken"].value}

        replies = [
            client.post(f"{url}check/", {"code": code}, "application/json", headers=headers) for headers in ({}, token)
        ]

        assert [reply.status_code for reply in replies] == [403, 200]
        assert header["required"] is True
        assert [each["name"] for each in self.headers("/api/log-in/")] == ["Idempotency-Key"]

    def test_has_no_such_header_with_a_function_of_the_site(self, configure: Configure) -> None:
        configure(LOGIN_RESPONSE="tests.login.site.token_of")

        assert self.headers() == []

    def headers(self, url: str = CHECK) -> list[Any]:
        return [each for each in self.document()["paths"][url]["post"]["parameters"] if each["in"] == "header"]

    def test_has_the_proof_of_a_number_without_an_account(self, db: None) -> None:
        url, code = started(Client())

        reply = post(Client(), f"{url}check/", code=code)

        document = self.document()
        self.validate(reply)
        [example] = [
            each["value"]
            for each in self.content(document, 409)["examples"].values()
            if each["value"].get("code") == "no_account"
        ]
        assert set(reply.json()) == set(example) == {"code", "detail", "retry_after", "proof"}
        assert "proof" in document["components"]["schemas"]["PhoneLoginProblem"]["properties"]
        for each in self.content(document, 409)["examples"].values():
            schema = as_json_schema(self.content(document, 409)["schema"])
            jsonschema.validate(each["value"], schema | {"components": as_json_schema(document["components"])})
