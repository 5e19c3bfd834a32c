"""The API accepts UTF-8 only, and rejects other charsets before decoding."""

from __future__ import annotations

import bz2
import io
import json
import tracemalloc
from encodings import aliases
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.test import APIClient

from django_telroi.rest.views import VerificationView
from django_telroi.testing import outbox
from tests.calling_site import Configure
from tests.rest.world import HOME, NUMBER, UNKNOWN_ID, PhoneApi
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
OTHERS = [
    *("bz2", "zlib", "zip", "hex", "base64", "quopri", "uu", "rot13", "undefined"),
    *("utf-7", "utf-16", "utf-16le", "utf-32", "utf-8-sig", "idna", "punycode", "unicode_escape", "raw_unicode_escape"),
    *("latin-1", "ascii", "cp1252", "mbcs", "no-such-charset", "", '"bz2"', "x" * 500),
]
PART = "--x\r\nContent-Disposition: form-data; {}\r\n\r\n{}\r\n--x--\r\n"


def seen(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


@pytest.mark.parametrize("charset", OTHERS)
def test_json_in_another_charset_is_an_unsupported_media_type(api: PhoneApi, charset: str) -> None:
    body = json.dumps({"number": NUMBER})

    reply = api.send("verifications/", body, content_type=f"{JSON}; charset={charset}")

    assert (seen(reply), outbox) == ((415, "unsupported_media_type"), [])


@pytest.mark.parametrize("charset", OTHERS)
@pytest.mark.parametrize("kind", [FORM, MULTIPART])
def test_a_form_in_another_charset_is_rejected(api: PhoneApi, charset: str, kind: str) -> None:
    body = f"number=%2B{NUMBER[1:]}" if kind == FORM else PART.format('name="number"', NUMBER)

    reply = api.send("verifications/", body, content_type=f"{kind}; charset={charset}")

    assert (seen(reply), outbox) == ((400, "parse_error"), [])


def in_chunks(api: PhoneApi, path: str) -> Any:
    return api.client.generic(
        "POST",
        f"{HOME}verifications/{path}",
        "",
        content_type=JSON,
        CONTENT_LENGTH="",
        HTTP_TRANSFER_ENCODING="Chunked",
    )


def test_a_body_in_chunks_is_rejected_because_django_reads_it_as_empty(api: PhoneApi, configure: Configure) -> None:
    configure(BOT_CHECK=lambda request, token: True)
    started = api.started()

    replies = [in_chunks(api, path) for path in ("", f"{started}/check/", f"{started}/call-again/")]

    assert [seen(reply) for reply in replies] == [(400, "parse_error")] * 3
    assert {reply.json()["detail"] for reply in replies} == {"Send this request with its length, not in chunks."}
    assert len(outbox) == 1


@pytest.mark.parametrize("path", ["call-again/", "cancel/"])
def test_a_body_in_chunks_is_ignored_where_no_field_has_an_effect(api: PhoneApi, path: str) -> None:
    """The client ``requests`` sends an empty form so: ``requests.post(url, data={"name": []})``."""
    started = api.started()
    let_time_pass(61)

    reply = in_chunks(api, f"{started}/{path}")

    assert reply.status_code in (200, 201), reply.json()


CUT_OFF = {
    JSON: (f'{{"number": "{NUMBER}"}}', 0),
    FORM: (f"number=%2B{NUMBER[1:]}", 3),  # the rest of it is a number too
    MULTIPART: (PART.format('name="number"', NUMBER), 2),
}


@pytest.mark.parametrize("kind", CUT_OFF)
def test_a_body_that_is_shorter_than_its_length_is_rejected(api: PhoneApi, kind: str) -> None:
    """A server passes on what had arrived when the connection broke: perhaps a part of a number or of a code."""
    body, missing = CUT_OFF[kind]
    arrived = body[: len(body) - missing].encode()

    reply = api.client.generic(
        "POST",
        f"{HOME}verifications/",
        body,
        content_type=kind,
        CONTENT_LENGTH=str(len(body) if missing else len(body) + 50),
        **{"wsgi.input": io.BytesIO(arrived)},
    )

    assert seen(reply) == (400, "parse_error")
    assert reply.json()["detail"] == "Send this request again. It did not arrive completely."
    assert len(outbox) == 0


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "utf8", '"utf-8"', " Utf-8 "])
@pytest.mark.parametrize("kind", [JSON, FORM, MULTIPART])
def test_utf_8_is_accepted_in_every_spelling(api: PhoneApi, charset: str, kind: str) -> None:
    bodies = {
        JSON: json.dumps({"number": NUMBER}),
        FORM: f"number=%2B{NUMBER[1:]}",
        MULTIPART: PART.format('name="number"', NUMBER),
    }

    reply = api.send("verifications/", bodies[kind], content_type=f"{kind}; charset={charset}")

    assert (reply.status_code, len(outbox)) == (201, 1)


@pytest.mark.parametrize(
    "says", ["charset=utf-8; charset=bz2", "charset*=utf-8''bz2", "CHARSET=bz2", "a=b;charset=bz2"]
)
def test_another_charset_is_found_in_every_syntax_of_the_parameter(api: PhoneApi, says: str) -> None:
    reply = api.send("verifications/", "{}", content_type=f"{JSON}; {says}")

    assert seen(reply) == (415, "unsupported_media_type")


def test_a_compressed_body_is_never_decompressed(api: PhoneApi) -> None:
    bomb = bz2.compress(b'{"number": "' + b" " * 64_000_000 + b'"}')

    tracemalloc.start()
    reply = api.send("verifications/", bomb, content_type=f"{JSON}; charset=bz2")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (seen(reply), most < 8_000_000) == ((415, "unsupported_media_type"), True)


@pytest.mark.parametrize("charset", OTHERS)
@pytest.mark.parametrize("kind", [JSON, FORM, MULTIPART])
def test_a_request_that_reads_no_body_ignores_its_charset(api: PhoneApi, charset: str, kind: str) -> None:
    """Some clients send a ``Content-Type`` with every request."""
    started = api.started()

    reply = api.client.generic(
        "GET", f"{HOME}verifications/{started}/", "{}", content_type=f"{kind}; charset={charset}"
    )

    assert (reply.status_code, reply.json()["status"]) == (200, "placed")


def test_the_query_of_such_a_request_is_in_utf_8(api: PhoneApi) -> None:
    """Django decodes it with the charset of the body, and two bytes of UTF-16 are one character."""
    url = f"{HOME}verifications/{UNKNOWN_ID}/?format=pdf"

    reply = api.client.get(url, content_type=f"{JSON}; charset=utf-16le")

    assert seen(reply) == (406, "not_acceptable")


def test_a_post_whose_body_has_no_effect_is_rejected_too_because_the_csrf_check_may_read_it(api: PhoneApi) -> None:
    kinds = [f"{JSON}; charset=utf-16", f"{FORM}; charset=latin-1"]

    replies = [seen(api.send(f"verifications/{UNKNOWN_ID}/cancel/", "", content_type=kind)) for kind in kinds]

    assert replies == [(415, "unsupported_media_type"), (400, "parse_error")]


class ReadsTheBody(BaseAuthentication):
    """An authentication of a site that reads the body of every request, for example for a signature."""

    def authenticate(self, request: Any) -> None:
        request.data  # noqa: B018 - the property reads it


@pytest.mark.parametrize("kind", [JSON, FORM])
def test_an_authentication_that_reads_the_body_of_a_get_reads_utf_8(
    api: PhoneApi, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(VerificationView, "authentication_classes", [ReadsTheBody])
    bomb = bz2.compress(b'{"number": "' + b" " * 64_000_000 + b'"}')
    url = f"{HOME}verifications/{UNKNOWN_ID}/"

    tracemalloc.start()
    reply = api.client.generic("GET", url, bomb, content_type=f"{kind}; charset=bz2")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen(reply) == ((400, "parse_error") if kind == JSON else (404, "not_found"))
    assert most < 8_000_000


@pytest.mark.parametrize("codec", ["bz2", "rot13", "no-such-charset", "idna", "utf-7", "undefined"])
@pytest.mark.parametrize("name", ["name", "filename"])
def test_a_part_with_a_name_in_another_charset_is_not_a_500(api: PhoneApi, codec: str, name: str) -> None:
    body = PART.format(f"name=\"a\"; {name}*={codec}''%42%5A", NUMBER)

    reply = api.send("verifications/", body, content_type=MULTIPART)

    assert reply.status_code == 400
    assert reply.json()["code"] in ("parse_error", "invalid")


def test_a_part_that_only_an_older_django_accepts_is_not_a_500(api: PhoneApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(self: object) -> None:
        "".encode("no-such-charset")

    monkeypatch.setattr("rest_framework.parsers.DjangoMultiPartParser.parse", parse)

    reply = api.send("verifications/", PART.format('name="number"', NUMBER), content_type=MULTIPART)

    assert seen(reply) == (400, "parse_error")


def test_an_error_of_our_code_is_still_raised(api: PhoneApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rest_framework.parsers.DjangoMultiPartParser.parse", lambda self: {}["missing"])

    with pytest.raises(KeyError):
        api.send("verifications/", PART.format('name="number"', NUMBER), content_type=MULTIPART)


def test_a_part_with_such_a_name_is_not_a_500_before_the_csrf_check(ada_s_browser: APIClient) -> None:
    body = PART.format("name=\"a\"; filename*=bz2''%42%5A", NUMBER)

    reply = ada_s_browser.post(f"{HOME}verifications/", body, content_type=MULTIPART)

    assert reply.status_code in (400, 403)


def test_every_codec_of_python_except_utf_8_is_rejected(api: PhoneApi) -> None:
    names = set(aliases.aliases.values()) - {"utf_8"}

    replies = {seen(api.send("verifications/", "{}", content_type=f"{JSON}; charset={name}")) for name in names}

    assert replies == {(415, "unsupported_media_type")}


@pytest.fixture
def ada_s_browser() -> APIClient:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ada"))
    return client
