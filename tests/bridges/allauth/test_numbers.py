"""Which number belongs to a user: the purpose of the adapter, and numbers that another provider reports."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory

from django_telroi import services
from django_telroi.contrib.allauth.adapter import TelroiAccountAdapter
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.allauth.people import NUMBER, OTHER_NUMBER, ask_login_code, log_in, member, sign_up, verify
from tests.calling_site import Configure

User = get_user_model()

pytestmark = pytest.mark.django_db(transaction=True)


class LoginAdapter(TelroiAccountAdapter):
    telroi_purpose = "login"


@pytest.fixture
def purpose(settings: Any, configure: Configure) -> str:
    """An adapter whose numbers are apart from those of other purposes."""
    settings.ACCOUNT_ADAPTER = f"{__name__}.{LoginAdapter.__name__}"
    configure(PURPOSES=["", "login"])
    return LoginAdapter.telroi_purpose


def test_calls_and_records_have_the_purpose_of_the_adapter(client: Client, telroi: Simulator, purpose: str) -> None:
    sign_up(client)
    verify(client, telroi.last_code_for(NUMBER))

    assert VerificationAttempt.objects.get().purpose == purpose
    assert VerifiedPhone.objects.get().purpose == purpose


def test_a_number_of_another_purpose_logs_in_to_no_account(telroi: Simulator, purpose: str) -> None:
    user = member(telroi)
    services.record_verification(user, OTHER_NUMBER)
    calls = len(telroi.calls)

    assert not log_in(Client(), OTHER_NUMBER).wsgi_request.user.is_authenticated
    ask_login_code(Client(), OTHER_NUMBER)
    assert len(telroi.calls) == calls
    assert log_in(Client(), NUMBER).wsgi_request.user == user


def test_a_new_number_keeps_those_of_other_purposes(client: Client, telroi: Simulator, purpose: str) -> None:
    user = member(telroi)
    services.record_verification(user, NUMBER)
    log_in(client)
    client.post("/accounts/phone/change/", {"phone": OTHER_NUMBER}, follow=True)
    verify(client, telroi.last_code_for(OTHER_NUMBER))

    records = VerifiedPhone.objects.filter(user=user).values_list("number", "purpose")
    assert set(records) == {(OTHER_NUMBER, purpose), (NUMBER, "")}


def test_a_number_that_another_provider_verified_is_not_verified_here(telroi: Simulator) -> None:
    user = User.objects.create_user("ada")
    request = RequestFactory().get("/")
    request.session = SessionStore()
    with context.request_context(request):
        adapter = get_adapter(request)
        adapter.set_phone(user, NUMBER, True)  # as after a social login

        assert adapter.get_phone(user) == (NUMBER, False)
        assert adapter.get_user_by_phone(NUMBER) is None
    assert not VerifiedPhone.objects.exists()
    assert not services.has_verified_phone(user)


@pytest.mark.parametrize(("methods", "is_accepted"), [({"phone"}, True), ({"phone", "username"}, False)])
def test_national_spellings_are_numbers_unless_user_names_log_in(
    telroi: Simulator, settings: Any, configure: Configure, methods: set[str], is_accepted: bool
) -> None:
    member(telroi)
    configure(DEFAULT_REGION="NL")
    settings.ACCOUNT_LOGIN_METHODS = methods

    page = log_in(Client(), "06 12345678")

    assert page.wsgi_request.user.is_authenticated == is_accepted
