"""``manage.py telroi_webhook``: what it reports of a deployment. It does not reveal the secret."""

from __future__ import annotations

import socket
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_telroi.models import AttemptEvent, EventKind
from tests.simulator.receiver import answer, receiving
from tests.webhooks.telroi import SECRET

OTHER_PAGE = "this is not the URL of the webhook. Its path on this site is /telroi/webhook"


def tried(url: str, *options: str) -> str:
    """Return the output, with the text of the error if there is one."""
    out = StringIO()
    try:
        call_command("telroi_webhook", "--to", url, *options, stdout=out, stderr=out)
    except CommandError as error:
        return f"error {error}" if error.returncode == 1 else "0"
    return out.getvalue().strip()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sample", ["otp.completed", "otp.failed", "otp.verified"])
@pytest.mark.parametrize("path", ["/telroi/webhook", "/telroi/webhook/"])
def test_a_sample_arrives_and_matches_no_call(live_site: str, sample: str, path: str) -> None:
    said = tried(live_site + path, "--sample", sample)

    assert said == "200: the webhook arrived, its signature is valid, and it was recorded."
    event = AttemptEvent.objects.get(kind=EventKind.WEBHOOK)
    assert (event.attempt, event.phone) == (None, None)
    assert event.detail.startswith(sample)


@pytest.mark.django_db(transaction=True)
def test_it_names_the_problem(live_site: str, site: Any) -> None:
    assert tried(live_site + "/telroi/wrong") == f"error 404: {OTHER_PAGE}"
    assert tried(live_site + "/phone/") == f"error 403: {OTHER_PAGE}"


@pytest.mark.parametrize("path", ["/telroi/webhook", "/telroi/webhook/", "/app/telroi/webhook"])
def test_a_rejection_of_the_webhooks_own_url_is_explained(path: str) -> None:
    with receiving() as receiver:
        receiver.answers = [answer(403)]
        said = tried(f"http://127.0.0.1:{receiver.port}{path}")

    assert said.startswith("error 403: the request was rejected in front of the endpoint.")


def test_without_the_urls_of_the_webhook_a_missing_page_is_explained(site: Any) -> None:
    site.ROOT_URLCONF = "django_telroi.urls"
    with receiving() as receiver:
        receiver.answers = [answer(404)]
        assert tried(receiver.url).startswith("error 404: the URL was not found. Check the path, and include")


def test_a_host_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", is_unknown)

    assert tried("http://nosuch.invalid/").startswith("error the host is unknown (no such name).")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(403), f"error 403: {OTHER_PAGE}"),
        (answer(401), "error 401: the signature is invalid"),
        (answer(503), "error 503: the site has no secret"),
        (answer(500), "error 500: an unexpected status"),
        (answer(301, "/ok/"), "error 301: a redirect to '/ok/'. Telroi would follow it with a GET and lose the event."),
        (answer(304), "error 304: an unexpected status"),
        (b"nonsense\r\n\r\n", "error the connection was refused or closed early."),
        (answer(204), "204: the webhook arrived"),
    ],
)
def test_every_status_of_the_answer_is_explained(given: bytes, said: str) -> None:
    with receiving() as receiver:
        receiver.answers = [given]
        heard = tried(receiver.url)

    assert heard.startswith(said)
    assert SECRET not in heard
    assert len(receiver.received) == 1


def test_a_missing_answer_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_telroi.client.webhooks.TIMEOUT_SECONDS", 0.2)
    with receiving() as receiver:
        receiver.answers = [None]
        assert tried(receiver.url) == "error no response within 8 seconds. Telroi waits no longer either."
    assert tried(receiver.url).startswith("error the connection was refused")
    assert tried("ftp://127.0.0.1/").startswith("error the URL is invalid")
    assert tried(f"https://127.0.0.1:{receiver.port}/").startswith("error ")


@pytest.mark.parametrize("secrets", [[], [""], "whsec_x"])
def test_without_a_secret_nothing_is_posted(site: Any, secrets: Any) -> None:
    site.TELROI = {"WEBHOOK_SECRETS": secrets}
    with receiving() as receiver:
        said = tried(receiver.url)

    assert "WEBHOOK_SECRETS" in said
    assert "whsec_x" not in said
    assert receiver.received == []
