"""The docs of the API are correct, and their client works."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone, translation
from rest_framework import exceptions
from rest_framework.test import APIClient, APIRequestFactory

from django_telroi import dispatch, services
from django_telroi.errors import NumberTaken, ProofRejected, VerificationRefused
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.rest.views import STATUS_OF_AN_OUTCOME
from django_telroi.services import CheckOutcome
from django_telroi.services.calls.queue import place_call
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.project.test_howto import blocks_of, names_of
from tests.rest.docs_site import served_docs_site
from tests.rest.test_rest_schema import GENERIC
from tests.rest.world import NUMBER

CODES_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "error_codes.rst"
ENTRY = re.compile(r"^\.\. ([a-z-]+):: (\w+)\n\n   :Status: ([\d, ]+)$", re.MULTILINE)


def test_the_python_client_gets_from_a_number_to_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    sign_up = names_of("rest.rst")["sign_up"]
    heard: list[str] = []

    with served_docs_site(tmp_path) as site:

        def ask_for_code(sentence: str) -> str:
            heard.append(sentence)
            return "12" if len(heard) == 1 else site.next_code()

        answer = sign_up(site.address, "carla", NUMBER, ask_for_code)
        with pytest.raises(RuntimeError, match="We called this number a moment ago"):
            sign_up(site.address, "dora", NUMBER, ask_for_code)

    assert answer == {"username": "carla"}
    assert heard == [
        "Answer your phone and type the code you hear. It is read twice.",
        "The code has six digits. Type the digits that you hear.",
    ]


@pytest.mark.parametrize(("kind", "file"), [("python", "requests"), ("javascript", "fetch")])
def test_the_client_of_the_docs_is_short(kind: str, file: str) -> None:
    [client] = [block for block in blocks_of("rest.rst", kind) if f"{file}" in block and "erification" in block]

    assert len([line for line in client.splitlines() if line.strip()]) <= 28


@pytest.mark.django_db(transaction=True)
def test_the_python_client_waits_for_a_queued_call(
    live_server: Any, telroi: Simulator, configure: Configure, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(DISPATCH="celery", PURPOSES=["", "sign-up"])
    settings.ROOT_URLCONF = "tests.rest.docs_urls"
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(dispatch, "send", lambda attempt_id: dispatch.Published.DONE)
    page, waits = names_of("rest.rst"), list[int]()

    def sleep(seconds: int) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            place_call(VerificationAttempt.objects.get().pk)

    page["time"] = SimpleNamespace(sleep=sleep)
    answer = page["sign_up"](live_server.url, "carla", NUMBER, lambda sentence: telroi.last_code_for(NUMBER))

    assert (answer, waits) == ({"username": "carla"}, [2, 2])


@pytest.mark.django_db(transaction=True)
def test_the_python_client_tells_which_field_is_wrong(
    live_server: Any, ada: Any, configure: Configure, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(PURPOSES=["", "sign-up"])
    settings.ROOT_URLCONF = "tests.rest.docs_urls"
    monkeypatch.setenv("NO_PROXY", "*")

    with pytest.raises(RuntimeError) as raised:
        names_of("rest.rst")["sign_up"](live_server.url, "ada", NUMBER, lambda sentence: last_code_for(NUMBER))

    assert raised.value.args == ({"username": ["A user with that username already exists."]},)


@pytest.mark.django_db
def test_the_codes_of_a_rejected_proof_are_sent_as_documented() -> None:
    attempt = services.start_verification(NUMBER, purpose="sign-up")
    proof = services.check_code(attempt.uuid, last_code_for(NUMBER)).proof
    page = names_of("rest.rst")
    answers = []
    for view, name in (("SignUpView", "ada"), ("SignUpView", "ben"), ("CodedSignUpView", "carla")):
        request = APIRequestFactory().post("/", {"username": name, "proof": proof}, "json")
        answer = page[view].as_view()(request)
        answers.append((answer.status_code, answer.data))

    sentence = str(answers[1][1]["proof"][0])
    assert answers[0][0] == 201
    assert answers[1] == (400, {"proof": [sentence]})
    assert answers[2] == (400, {"proof": [{"message": sentence, "code": "proof_rejected"}]})


@pytest.mark.django_db
@pytest.mark.urls("tests.rest.docs_urls")
def test_a_view_that_requires_a_verified_phone_works_as_documented(ada: Any) -> None:
    client = APIClient()
    client.force_authenticate(ada)

    before = client.get("/payout/")
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose="payout", verified_at=timezone.now())
    after = client.get("/payout/")

    assert before.status_code == 403
    assert before.json() == {"code": "phone_not_verified", "detail": "Verify your phone first."}
    assert after.json() == {"balance": 7}


@pytest.mark.django_db
@pytest.mark.urls("tests.rest.docs_urls")
def test_a_user_name_in_use_is_a_request_error_and_keeps_the_proof(ada: Any) -> None:
    client = APIClient()
    attempt = services.start_verification(NUMBER, purpose="sign-up")
    proof = services.check_code(attempt.uuid, last_code_for(NUMBER)).proof

    taken = client.post("/sign-up/", {"username": ada.get_username(), "proof": proof}, "json")
    free = client.post("/sign-up/", {"username": "carla", "proof": proof}, "json")

    assert taken.status_code == 400
    assert taken.json() == {"username": ["A user with that username already exists."]}
    assert (free.status_code, free.json()) == (201, {"username": "carla"})
    assert VerifiedPhone.objects.get().user.get_username() == "carla"


def documented(kind: str) -> dict[str, set[int]]:
    """Return the statuses of each entry of a kind."""
    entries = ENTRY.findall(CODES_PAGE.read_text())
    return {name: set(map(int, statuses.split(", "))) for entry, name, statuses in entries if entry == kind}


def test_the_reference_lists_every_outcome_with_its_statuses() -> None:
    statuses = {str(outcome): {status} for outcome, status in STATUS_OF_AN_OUTCOME.items()}
    statuses[CheckOutcome.LOCKED] |= {200}

    assert documented("outcome") == statuses


def test_the_reference_lists_every_code_with_its_statuses() -> None:
    codes = {refusal.code: {refusal.http_status} for refusal in VerificationRefused.__subclasses__()}
    codes |= {each.default_code: {each.status_code} for each in (*GENERIC, exceptions.MethodNotAllowed)}
    codes |= {each.code: {each.http_status} for each in (ProofRejected, NumberTaken)}
    codes |= {"invalid_idempotency_key": {400}, "idempotency_key_used": {409}, "no_number": {409}, "too_large": {413}}
    codes |= {"phone_not_verified": {403}, "no_account": {409}, "code_used": {409}}
    for depends_on_the_project in ("not_authenticated", "authentication_failed", "user_not_found"):
        codes[depends_on_the_project] = {401, 403}

    assert documented("error-code") == codes


FOR_DEVELOPERS = re.compile(r"\* ``detail`` is a message for the person.*?\n(?=\n|\* )", re.DOTALL)
JSON_BODY = "application/json"


@pytest.mark.django_db
def test_the_codes_whose_detail_is_for_developers_are_documented(settings: Any, ada: User) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.locale.LocaleMiddleware"]
    url = "/api/phone/verifications/"
    headers = {"Accept-Language": "de"}
    a_start = (f'{{"number": "{NUMBER}"}}', None, JSON_BODY)
    client, browser = APIClient(), APIClient(enforce_csrf_checks=True)
    browser.force_login(ada)

    def told(code: str, reply: Any) -> str:
        assert reply.json()["code"] == code
        return str(reply.json()["detail"])

    with translation.override("en"):  # the middleware activates the language of each request
        english = [
            told("parse_error", client.post(url, "{x", content_type=JSON_BODY, headers=headers)),
            told("parse_error", client.post(url, "--x", content_type="multipart/form-data", headers=headers)),
            told("permission_denied", browser.post(url, "{}", content_type=JSON_BODY, headers=headers)),
        ]
        german = [
            told("unsupported_media_type", client.post(url, "x", content_type="text/plain", headers=headers)),
            told("not_acceptable", client.get(url, headers=headers | {"Accept": "a/b"})),
            told("method_not_allowed", client.get(url, headers=headers)),
            told("invalid_idempotency_key", client.post(url, *a_start, headers=headers | {"Idempotency-Key": "1"})),
        ]

    assert [text.split(" - ")[0].split(":")[0] for text in english] == [
        "JSON parse error",
        "Multipart form parse error",
        "CSRF Failed",
    ]
    assert german == [
        'Nicht unterstützter Medientyp "text/plain" in der Anfrage.',
        "Kann die Accept Kopfzeile der Anfrage nicht erfüllen.",
        'Methode "GET" nicht erlaubt.',
        "Der Header Idempotency-Key muss eine UUID sein.",
    ]
    [paragraph] = FOR_DEVELOPERS.findall((CODES_PAGE.parents[1] / "howto" / "rest.rst").read_text())
    assert set(re.findall("``([a-z_]+)``", paragraph)) - {"detail"} == {
        "parse_error",
        "permission_denied",
        "unsupported_media_type",
        "not_acceptable",
        "method_not_allowed",
        "invalid_idempotency_key",
        "idempotency_key_used",
    }
