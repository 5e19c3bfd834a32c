"""Users who were deleted before their token expired, or during their request."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from rest_framework.test import APIClient
from rest_framework_simplejwt.models import TokenUser
from rest_framework_simplejwt.tokens import AccessToken

from django_telroi import services
from django_telroi.errors import AttemptNotFound, UserNotFound
from django_telroi.models import VerifiedPhone
from django_telroi.simulator import Simulator
from django_telroi.web.gates import phone_verified_required
from tests.outages.backend import Hooks
from tests.outages.people import API
from tests.services.world import row_counts, sends

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
NO_KEYS = [10**30, -1, "ada", "", "1.5", "١"]


def token_user(pk: object) -> Any:
    """Return the user of a stateless token, without a query."""
    token = AccessToken()
    token["user_id"] = pk
    return TokenUser(token)


def api_of(user: object) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(user)
    return client


@pytest.fixture
def gone(db: None) -> Any:
    ada = User.objects.create_user("ada")
    user = token_user(ada.pk)
    ada.delete()
    return user


class TestATokenOfADeletedUser:
    def test_starts_no_call(self, gone: Any, telroi: Simulator) -> None:
        reply = api_of(gone).post(API, {"number": NUMBER})

        assert (reply.status_code, reply.json()["code"]) == (403, "user_not_found")
        assert (sends(telroi), row_counts().get("VerificationAttempt", 0)) == (0, 0)

    def test_starts_no_call_with_a_key(self, gone: Any, telroi: Simulator) -> None:
        headers = {"Idempotency-Key": "8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10"}

        reply = api_of(gone).post(API, {"number": NUMBER}, headers=headers)

        assert (reply.json()["code"], sends(telroi)) == ("user_not_found", 0)

    def test_does_not_change_the_limits_of_the_number(self, gone: Any, telroi: Simulator) -> None:
        api_of(gone).post(API, {"number": NUMBER})

        assert api_of(None).post(API, {"number": NUMBER}).status_code == 201

    @pytest.mark.parametrize("verb", ["check", "call-again", "cancel", ""])
    def test_sees_no_attempt_of_others(self, verb: str, gone: Any, telroi: Simulator) -> None:
        ben = User.objects.create_user("ben")
        attempt = services.start_verification(NUMBER, user=ben)
        url, client = f"{API}{attempt.uuid}/", api_of(gone)

        reply = client.post(f"{url}{verb}/", {"code": "000000"}) if verb else client.get(url)

        assert reply.status_code == 404

    def test_has_no_phones_and_passes_no_gate(self, gone: Any) -> None:
        client = api_of(gone)

        assert (client.get("/api/phone/phones/").json(), client.get("/api/gated/").status_code) == ([], 403)
        assert detour_of(gone).status_code == 302

    @pytest.mark.parametrize("pk", NO_KEYS)
    def test_with_an_impossible_user_id_is_no_error(self, pk: object, db: None, telroi: Simulator) -> None:
        client = api_of(token_user(pk))

        statuses = [
            client.post(API, {"number": NUMBER}).status_code,
            client.get("/api/phone/phones/").status_code,
            client.get("/api/gated/").status_code,
            client.get(f"{API}8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10/").status_code,
            detour_of(token_user(pk)).status_code,
        ]

        assert [status for status in statuses if status >= 500] == []
        assert (sends(telroi), statuses[0]) == (0, 403)


def detour_of(user: Any) -> Any:
    """Return the redirect of a gate for this user."""

    @phone_verified_required
    def view(request: HttpRequest) -> None:
        raise AssertionError("the gate was open")

    request: Any = RequestFactory().get("/")
    request.user = user
    return view(request)


class TestAUserWhoIsDeleted:
    @pytest.fixture
    def ada(self, db: None) -> User:
        return User.objects.create_user("ada")

    @pytest.mark.codes("telroi")
    def test_during_a_check_is_no_error(self, ada: User, telroi: Simulator, hooked: Hooks) -> None:
        client = api_of(ada)
        id_ = client.post(API, {"number": NUMBER}).json()["id"]
        hooked.after = lambda: delete(ada)

        reply = client.post(f"{API}{id_}/check/", {"code": telroi.last_code_for(NUMBER)})

        assert reply.status_code in (401, 403, 404)
        assert VerifiedPhone.objects.count() == 0

    @pytest.mark.codes("telroi")
    def test_during_a_check_on_the_page_is_no_error(self, ada: User, telroi: Simulator, hooked: Hooks) -> None:
        client = Client(raise_request_exception=False)
        client.force_login(ada)
        client.post("/phone/", {"number": NUMBER})
        hooked.after = lambda: delete(ada)

        reply = client.post("/phone/code/", {"code": telroi.last_code_for(NUMBER)})

        assert (reply.status_code, reply["Location"]) == (302, "/phone/")
        assert client.get("/phone/").status_code == 200

    @pytest.mark.codes("telroi")
    def test_during_a_check_raises_not_found_in_the_service(self, ada: User, telroi: Simulator, hooked: Hooks) -> None:
        attempt = services.start_verification(NUMBER, user=ada)
        hooked.after = lambda: delete(ada)

        with pytest.raises((AttemptNotFound, UserNotFound)):
            services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=ada)

    def test_during_a_call_has_no_attempt_to_verify(self, ada: User, telroi: Simulator, hooked: Hooks) -> None:
        hooked.before = lambda: delete(ada)

        reply = api_of(ada).post(API, {"number": NUMBER})

        assert (reply.status_code, sends(telroi)) != (500, 1)
        assert reply.status_code < 500


def delete(user: User) -> None:
    """Delete the user in another process."""
    User.objects.filter(pk=user.pk).delete()
