"""Tenants of django-tenants place calls with their own keys, on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from django_tenants.utils import schema_context

from django_telroi import services
from django_telroi.client.webhooks import sign
from django_telroi.errors import Misconfigured
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.bridges.tenants.conftest import KEYS, SECRETS, Stored

NUMBER, OTHER_NUMBER = "+2348031234567", "+2348029876543"
JSON = "application/json"
Used = Callable[[], list[str]]


def start(tenant: str, number: str = NUMBER) -> Any:
    return Client(headers={"host": f"{tenant}.example.com"}).post(
        "/api/phone/verifications/", {"number": number}, content_type=JSON
    )


def test_the_tables_are_in_the_public_schema_only(telroi: Simulator) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name LIKE 'django_telroi_%%'"
        )
        schemas = [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'shop_order'")
        of_tenants = sorted(row[0] for row in cursor.fetchall())

    assert (schemas, of_tenants) == (["public"], ["acme", "globex", "initech"])


@pytest.mark.parametrize("tenant", KEYS)
def test_a_call_has_the_key_of_its_tenant(telroi: Simulator, keys_used: Used, tenant: str) -> None:
    response = start(tenant)

    assert response.status_code == 201
    assert (VerificationAttempt.objects.get().key_name, keys_used()) == (tenant, [KEYS[tenant]])


def test_the_page_of_a_tenant_calls_and_verifies(telroi: Simulator, keys_used: Used) -> None:
    browser = Client(headers={"host": "globex.example.com"})
    browser.post("/phone/", {"number": NUMBER})
    browser.post("/phone/code/", {"code": telroi.last_code_for(NUMBER)})

    attempt = VerificationAttempt.objects.get()
    assert (attempt.status, attempt.key_name, keys_used()) == ("verified", "globex", [KEYS["globex"]])


@pytest.mark.codes("telroi")
def test_a_code_is_checked_with_the_key_of_its_attempt_in_any_schema(telroi: Simulator) -> None:
    start("globex")
    attempt = VerificationAttempt.objects.get()

    with schema_context("acme"):
        result = services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))

    assert str(result.outcome) == "verified"
    assert [seen.key for seen in telroi.requests if seen.path == "/v1/otp/verify"] == [KEYS["globex"]]


def test_a_worker_without_a_tenant_calls_with_the_key_of_the_request(
    telroi: Simulator, keys_used: Used, settings: Any, celery_app: Any
) -> None:
    settings.TELROI = {**settings.TELROI, "DISPATCH": "celery"}
    start("acme")
    start("globex", OTHER_NUMBER)
    connection.set_schema_to_public()

    for attempt in VerificationAttempt.objects.order_by("pk"):
        services.place_call(attempt.pk)

    assert keys_used() == [KEYS["acme"], KEYS["globex"]]


@pytest.mark.parametrize("tenant", ["initech", ""])
def test_a_tenant_without_a_key_places_no_call(telroi: Simulator, keys_used: Used, tenant: str) -> None:
    if tenant:
        response = start(tenant)
        assert (response.status_code, response.json()["code"]) == (503, "misconfigured")
    else:
        with schema_context("public"), pytest.raises(Misconfigured):
            services.start_verification(NUMBER)

    assert (keys_used(), VerificationAttempt.objects.count()) == ([], 0)


def test_a_revoked_key_of_one_tenant_stops_no_other_tenant(telroi: Simulator) -> None:
    telroi.revoke_key(KEYS["acme"])
    start("acme")

    assert start("acme", OTHER_NUMBER).json()["code"] == "misconfigured"
    assert start("globex", OTHER_NUMBER).status_code == 201


def test_a_new_tenant_and_a_new_key_need_no_restart(telroi: Simulator, keys_used: Used, stored: Stored) -> None:
    telroi.add_key("tlr_live_initech")
    telroi.add_key("tlr_live_new")
    telroi.revoke_key(KEYS["acme"])
    stored.write(acme=["tlr_live_new", KEYS["acme"]], initech="tlr_live_initech")

    assert start("initech").status_code == start("acme", OTHER_NUMBER).status_code == 201
    assert keys_used() == ["tlr_live_initech", "tlr_live_new"]


@pytest.mark.parametrize(("signer", "becomes"), [("acme", "unknown"), ("globex", "failed")])
def test_a_tenant_cannot_forge_events_of_another_one(telroi: Simulator, signer: str, becomes: str) -> None:
    telroi.fail_next("close")
    start("globex")
    attempt = VerificationAttempt.objects.get()
    at = attempt.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"id": "5f0f2a40-0000-4000-8000-000000000001", "to": NUMBER, "status": "failed", "reason": "forged"}
    body = json.dumps({"event": "otp.failed", "created_at": at, "data": data}).encode()

    response = Client(headers={"host": "example.com"}).post(
        "/telroi/webhook", body, content_type=JSON, headers={"telroi-signature": sign(body, SECRETS[signer])}
    )

    attempt.refresh_from_db()
    assert (response.status_code, attempt.status) == (200, becomes)


def test_one_sweep_serves_all_tenants(telroi: Simulator, settings: Any, celery_app: Any) -> None:
    settings.TELROI = {**settings.TELROI, "DISPATCH": "celery"}
    start("acme")
    start("globex", OTHER_NUMBER)
    connection.set_schema_to_public()
    an_hour = timedelta(hours=1)
    VerificationAttempt.objects.update(created_at=F("created_at") - an_hour, due_at=F("due_at") - an_hour)

    call_command("telroi_sweep", stdout=StringIO())

    assert set(VerificationAttempt.objects.values_list("status", flat=True)) == {"expired"}


def test_the_checks_and_the_doctor_find_nothing_wrong_with_the_page(telroi: Simulator) -> None:
    from django_telroi.management.doctor.telroi_api import examine_telroi

    found = [str(message.id) for message in run_checks() if str(message.id).startswith("telroi.E")]
    says = [finding.says for finding in examine_telroi()]

    assert found == []
    assert says[0].startswith("acme: Telroi accepts the key")
    assert any(line.startswith("globex: Telroi accepts the key") for line in says)


def test_the_admin_of_the_public_domain_filters_by_tenant(telroi: Simulator, admin_user: Any) -> None:
    start("acme")
    start("globex", OTHER_NUMBER)
    connection.set_schema_to_public()
    browser = Client(headers={"host": "example.com"})
    browser.force_login(admin_user)

    page = browser.get("/admin/django_telroi/verificationattempt/", {"key_name__exact": "acme"})

    assert [row.key_name for row in page.context["cl"].result_list] == ["acme"]
    assert Client(headers={"host": "acme.example.com"}).get("/admin/").status_code == 404
