"""The webhook endpoint: which requests it accepts, and its responses."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest
from django.db import InterfaceError, OperationalError
from django.test import AsyncClient, Client, RequestFactory
from django.urls import reverse
from django.views.debug import ExceptionReporter

from django_telroi import conf, services
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.webhooks.bodies import MAX_BODY_BYTES
from django_telroi.webhooks.views import receive_webhook
from tests.services.world import NUMBER, Heard, commit, database_gone
from tests.webhooks.conftest import URL, Post
from tests.webhooks.telroi import CALL_ID, SECRET, body_of, signed

pytestmark = pytest.mark.django_db

BODY = body_of("otp.verified")


@pytest.fixture
def lost() -> VerificationAttempt:
    attempt = services.start_verification(NUMBER)
    VerificationAttempt.objects.update(status=Status.UNKNOWN, telroi_id=None)
    return attempt


def stored() -> int:
    return AttemptEvent.objects.filter(kind=EventKind.WEBHOOK).count()


@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_it_answers_with_and_without_a_slash_and_never_redirects(
    post: Post, lost: VerificationAttempt, url: str
) -> None:
    reply = post(body_of("otp.completed"), url=url)

    lost.refresh_from_db()
    assert (reply.status_code, reply.content, lost.status, lost.telroi_id) == (200, b"", "placed", CALL_ID)


def test_its_url_can_be_reversed() -> None:
    assert reverse("telroi-webhooks:webhook") == URL


@pytest.mark.parametrize(
    "body",
    [
        body_of("call.completed"),
        body_of("otp.failed", id="nobody's"),
        body_of("otp.completed", id=None, to="\u0000", status=[1]),
        b"",
        b"not json",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"event": "otp.completed", "event": "otp.failed"}',
        b"null",
        b" " * MAX_BODY_BYTES,
    ],
    ids=range(10),
)
def test_every_webhook_signed_by_telroi_is_acknowledged(post: Post, body: bytes) -> None:
    assert [post(body).status_code, post(body).status_code, stored()] == [200, 200, 1]


def test_a_webhook_that_is_two_days_old_is_acknowledged_and_ignored(post: Post) -> None:
    body = b'{"event":"otp.completed","created_at":"2020-11-23T16:25:04.579Z","data":{}}'

    assert (post(body).status_code, stored()) == (200, 0)


FORGED: dict[str, dict[str, str]] = {
    "unsigned": {},
    "empty": {"telroi-signature": ""},
    "zeros": {"telroi-signature": "0" * 64},
    "other secret": signed(BODY, "whsec_other"),
    "other body": signed(BODY + b" "),
    "no secret": signed(BODY, ""),
    "upper case": {"telroi-signature": signed(BODY)["telroi-signature"].upper()},
    "not hex": {"telroi-signature": "g" * 64},
    "not ascii": {"telroi-signature": "é" * 64},
    "huge": {"telroi-signature": "a" * 1_000_000},
    "other header": {"x-signature": signed(BODY)["telroi-signature"]},
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
def test_a_wrong_signature_is_rejected_without_a_reason(
    post: Post, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "django_telroi"):
        reply = post(BODY, headers)

    assert (reply.status_code, reply.content, stored()) == (401, b"", 0)
    [line] = [record.getMessage() for record in caplog.records if record.name == "django_telroi"]
    assert line.startswith("webhook_refused status=401 reason=")
    assert SECRET not in caplog.text
    assert "whsec_" not in caplog.text


@pytest.mark.parametrize(
    ("secrets", "reason"),
    [
        *((secrets, "no_secret hint=") for secrets in (None, [], [""])),
        *((secrets, "secrets_failed") for secrets in ("whsec_as_a_string", [None], 5)),
    ],
)
def test_without_a_secret_every_webhook_is_rejected(
    post: Post, site: Any, secrets: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.TELROI = {} if secrets is None else {"WEBHOOK_SECRETS": secrets}

    replies = [post(BODY), post(BODY, {}), post(BODY, signed(BODY, ""))]

    assert {(reply.status_code, reply.content) for reply in replies} == {(503, b"")}
    refusals = [record.getMessage() for record in caplog.records if record.getMessage().startswith("webhook_refused")]
    assert len(refusals) == 3
    assert all(f"reason={reason}" in line for line in refusals)
    assert ("webhook_secrets_failed" in caplog.text) == (reason == "secrets_failed")
    assert stored() == 0


def test_a_secret_is_rotated_without_a_gap(post: Post, site: Any) -> None:
    new = "whsec_new"
    before, after = body_of("otp.verified", id="before"), body_of("otp.verified", id="after")

    site.TELROI = {"WEBHOOK_SECRETS": [SECRET, new]}
    assert [post(before).status_code, post(after, signed(after, new)).status_code] == [200, 200]
    site.TELROI = {"WEBHOOK_SECRETS": [new]}
    assert [post(before).status_code, post(after, signed(after, new)).status_code] == [401, 200]


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options"])
def test_only_post_is_allowed(method: str) -> None:
    reply = getattr(Client(), method)(URL, headers=signed(b""))

    assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


def test_it_needs_no_session_and_no_csrf_token(post: Post, site: Any) -> None:
    site.ATOMIC_REQUESTS = True

    reply = post(BODY)

    assert (reply.status_code, reply.cookies) == (200, {})
    assert "Cookie" not in reply.headers.get("Vary", "")
    assert receive_webhook.__dict__["_non_atomic_requests"] == {"default"}


def test_it_works_on_a_site_that_requires_logins(post: Post, site: Any) -> None:
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert post(BODY).status_code == 200


def request_with(stream: bytes, **environ: Any) -> WSGIRequest:
    request = RequestFactory().generic("POST", URL, b"", headers=signed(BODY if stream in BODY else stream))
    meta = {**request.META, "wsgi.input": io.BytesIO(stream), **environ}
    return WSGIRequest({name: value for name, value in meta.items() if value is not None})


LONG = b"x" * (MAX_BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("stream", "environ", "status"),
    [
        (BODY, {"CONTENT_LENGTH": str(len(BODY))}, 200),
        (BODY, {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 200),
        (BODY, {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, 200),
        (LONG, {"CONTENT_LENGTH": str(len(LONG))}, 413),
        (LONG, {"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, 413),
        (LONG, {"CONTENT_LENGTH": str(len(LONG) - 1)}, 401),
        (BODY, {"CONTENT_LENGTH": str(10**12)}, 413),
        (BODY, {"CONTENT_LENGTH": "9" * 5000}, 401),
        (BODY[:-9], {"CONTENT_LENGTH": str(len(BODY))}, 401),
        (BODY, {"CONTENT_LENGTH": None}, 401),
        (BODY, {"CONTENT_LENGTH": "-5"}, 401),
        (BODY, {"CONTENT_LENGTH": "²"}, 401),
    ],
)
def test_at_most_64_kib_are_read_for_any_content_length(stream: bytes, environ: dict[str, Any], status: int) -> None:
    request = request_with(stream, **environ)

    assert receive_webhook(request).status_code == status
    if status == 413:
        assert request.META["wsgi.input"].tell() <= MAX_BODY_BYTES + 1


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_an_event_that_cannot_be_recorded_is_answered_with_503(
    post: Post, lost: VerificationAttempt, heard: Heard, error: type[Exception], after: int
) -> None:
    body = body_of("otp.completed")
    commit()
    heard.told.clear()

    with database_gone(after=after, error=error):
        reply = post(body)

    assert (reply.status_code, reply.content, stored(), heard.names.count("call_placed")) == (503, b"", 0, 0)
    assert (post(body).status_code, stored(), heard.names.count("call_placed")) == (200, 1, 1)


def test_it_answers_under_asgi() -> None:
    post = async_to_sync(AsyncClient().post)

    replies = [
        post(URL, body, content_type="application/json", headers=headers)
        for body, headers in ((BODY, signed(BODY)), (BODY, {}), (LONG, signed(LONG)))
    ]

    assert [reply.status_code for reply in replies] == [200, 401, 413]


def test_no_error_page_and_no_log_contains_a_secret_or_a_number(
    post: Post, site: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.db.backends").setLevel(logging.INFO)
    pages = []
    site.DEBUG = True

    def fail(*values: Any, **options: Any) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr("django_telroi.services.calls.webhook_events._read", fail)
    body = body_of("otp.failed", reason=f"{NUMBER} is {SECRET[:10]}")
    try:
        post(body)
    except AssertionError as error:
        request = RequestFactory().post(URL, body, content_type="application/json", headers=signed(body))
        pages.append(ExceptionReporter(request, type(error), error, error.__traceback__).get_traceback_html())
    monkeypatch.undo()
    post(body)
    post(body, {})
    logging.getLogger("django.db.backends").setLevel(logging.NOTSET)

    [page] = pages
    assert "WEBHOOK_SECRETS" in page
    assert SECRET not in repr(conf.webhook_secrets())
    assert SECRET not in page
    for record in caplog.records:
        assert NUMBER[1:] not in record.getMessage()
        assert SECRET not in record.getMessage()
    assert "webhook event=otp.failed effect=unmatched attempt=None" in caplog.text
    assert list(AttemptEvent.objects.values_list("detail", flat=True)) == [f"otp.failed: {CALL_ID}"]
