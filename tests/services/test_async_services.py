"""The async forms of the services, in a real ASGI request and in an event loop."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient
from django.urls import path

from django_telroi import limits, services
from django_telroi.errors import AttemptNotFound, CooldownActive, InvalidNumber
from django_telroi.services import async_services
from django_telroi.testing import last_code_for, outbox
from tests.services.world import let_time_pass

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

NUMBER, OTHER_NUMBER = "+2348031234567", "+2348029876543"


@pytest.fixture(autouse=True)
def site(settings: Any) -> Any:
    settings.TELROI = {}
    outbox.clear()
    return settings


async def start(request: HttpRequest) -> JsonResponse:
    attempt = await limits.astart_verification(request, request.GET["number"], user=await request.auser())
    return JsonResponse({"id": str(attempt.uuid)})


async def check(request: HttpRequest, uuid: str) -> JsonResponse:
    result = await limits.acheck_code(request, uuid, request.GET["code"], user=await request.auser())
    return JsonResponse({"outcome": result.outcome})


urlpatterns = [path("start/", start), path("check/<uuid:uuid>/", check)]


def test_an_async_view_verifies_a_number_of_its_user() -> None:
    ada = User.objects.create_user("ada")

    async def visit() -> str:
        client = AsyncClient()
        await client.aforce_login(ada)
        started = json.loads((await client.get("/start/", {"number": NUMBER})).content)
        checked = await client.get(f"/check/{started['id']}/", {"code": last_code_for(NUMBER)})
        assert await services.ahas_verified_phone(ada)
        return str(json.loads(checked.content)["outcome"])

    assert async_to_sync(visit)() == "verified"


def test_each_does_what_the_service_does() -> None:
    ada = User.objects.create_user("ada")

    async def run() -> None:
        first = await services.astart_verification(NUMBER, user=ada)
        assert (await services.afollow(first.uuid, user=ada)).attempt.status == "placed"
        with pytest.raises(CooldownActive):
            await services.acall_again(first.uuid, user=ada)
        assert (await services.acheck_code(first.uuid, last_code_for(NUMBER), user=ada)).outcome == "verified"
        second = await services.astart_verification(OTHER_NUMBER, user=ada)
        await services.acheck_code(second.uuid, last_code_for(OTHER_NUMBER), user=ada)
        assert await services.achange_phone(ada, old=NUMBER, new=OTHER_NUMBER)
        assert await services.aforget_phone(ada, OTHER_NUMBER) == 1
        with pytest.raises(InvalidNumber):
            await services.astart_verification("call me")
        with pytest.raises(AttemptNotFound):
            await services.afollow("5e3cf36e-6b36-4b9c-8c3b-0d8f9b7f6b2a")

    async_to_sync(run)()


def test_a_proof_is_read_and_redeemed() -> None:
    ada = User.objects.create_user("ada")

    async def run() -> None:
        attempt = await services.astart_verification(NUMBER)
        proof = (await services.acheck_code(attempt.uuid, last_code_for(NUMBER))).proof
        assert proof is not None
        assert await services.aread_proof(proof, purpose="") == NUMBER
        assert await services.aredeem_proof(proof, purpose="", user=ada) == NUMBER

    async_to_sync(run)()
    assert services.has_verified_phone(ada)


def test_another_call_and_a_cancellation() -> None:
    first = services.start_verification(NUMBER)
    let_time_pass(60)

    async def run() -> str:
        second = await services.acall_again(first.uuid)
        return str((await services.acancel_verification(second.uuid)).status)

    assert async_to_sync(run)() == "canceled"
    assert len(outbox) == 2


def test_a_traceback_with_local_variables_shows_no_number() -> None:
    with pytest.raises(InvalidNumber) as caught:
        async_to_sync(services.astart_verification)("+2348031234567890123")

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in report.stack if "async_services" in frame.filename]
    assert ours
    assert not any("803123" in value for frame in ours for value in (frame.locals or {}).values())


def test_each_has_the_name_of_its_service() -> None:
    exported = {name for name in services.__all__ if name.startswith("a") and hasattr(services, name[1:])}

    assert exported == {name for name in vars(async_services) if name[0] == "a" and name[1:] in vars(async_services)}
    assert all(getattr(services, name).__name__ == name for name in exported)
