"""A site with hand-written SMS codes moves to calls, as docs/migrating/sms_codes.rst says."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path
from django.utils import timezone

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.testing import last_code_for, outbox
from tests.project.test_howto import names_of

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348029876543"
SITE = "site_of_the_sms_page"


@pytest.fixture
def page(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    names, urls = names_of("migrating/sms_codes.rst"), ModuleType(SITE)
    urls.urlpatterns = [  # type: ignore[attr-defined]
        path("send/", names["send_code"]),
        path("check/", names["check_code"]),
    ]
    monkeypatch.setitem(sys.modules, SITE, urls)
    settings.ROOT_URLCONF = SITE
    settings.TELROI = {"ONE_ACCOUNT_PER_NUMBER": True}
    outbox.clear()
    return names


@pytest.mark.parametrize("name", ["ada", ""])
def test_the_old_endpoints_call_and_verify(page: dict[str, Any], client: Client, name: str) -> None:
    if name:
        client.force_login(User.objects.create_user(name))

    sent = client.post("/send/", {"phone": NUMBER})
    wrong = client.post("/check/", {"code": f"{(int(last_code_for(NUMBER)) + 1) % 10**6:06}"})
    right = client.post("/check/", {"code": last_code_for(NUMBER)})

    assert (sent.json(), len(outbox)) == ({"ok": True}, 1)
    assert wrong.json() == {"ok": False, "error": "That is not the code. 2 tries left for this call."}
    assert right.json() == {"ok": True, "error": ""}
    assert [phone.user.username for phone in VerifiedPhone.objects.all()] == [name] * bool(name)


def test_the_old_endpoints_refuse(page: dict[str, Any], client: Client) -> None:
    nothing = client.post("/check/", {"code": "123456"})
    invalid = client.post("/send/", {"phone": "0803"})
    client.post("/send/", {"phone": NUMBER})
    too_soon = client.post("/send/", {"phone": NUMBER})

    assert (nothing.status_code, invalid.status_code, too_soon.status_code) == (404, 400, 429)
    assert "We called this number a moment ago" in too_soon.json()["error"]


def test_verified_numbers_are_taken_over(page: dict[str, Any]) -> None:
    ada, ben, cem = (User.objects.create_user(name) for name in ("ada", "ben", "cem"))
    long_ago = timezone.now() - timedelta(days=400)
    people = [(ada, NUMBER, long_ago), (ben, "no number", long_ago), (cem, NUMBER, long_ago)]

    skipped = page["import_phones"](people)
    again = page["import_phones"](people)

    assert skipped == again == [(ben.pk, "invalid_number"), (cem.pk, "number_taken")]
    assert services.has_verified_phone(ada)
    assert not services.has_verified_phone(ada, max_age=timedelta(days=90))
    assert (VerifiedPhone.objects.count(), len(outbox)) == (1, 0)
