"""The code of the page "Log in by phone" does what the page says."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from django_telroi.testing import last_code_for
from tests.login.conftest import Configure
from tests.login.docs_urls import page
from tests.login.test_login_attacks import post
from tests.web.visitor import NUMBER, Visitor

API = "/api/log-in/phone/"


def test_three_lines_log_in(site: Any, ada: User, visitor: Visitor, configure: Configure) -> None:
    site.ROOT_URLCONF = "tests.login.docs_urls"
    configure(MAY_LOG_IN=page["may_log_in"])

    visitor.opens("/log-in/phone/").presses("Call me", number=NUMBER).presses("Log in", code=str(last_code_for(NUMBER)))

    assert page["INSTALLED_APPS"] == ["django_telroi.contrib.login"]
    assert (visitor.path, visitor.client.session["_auth_user_id"]) == ("/home/", str(ada.pk))


def test_the_function_of_the_page_returns_tokens(site: Any, ada: User, configure: Configure) -> None:
    site.ROOT_URLCONF = "tests.login.docs_urls"
    configure(LOGIN_RESPONSE=page["tokens_of"])
    url = f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/"

    reply = post(Client(), url, code=str(last_code_for(NUMBER)))

    assert reply.json().keys() == {"access", "refresh"}
    assert AccessToken(reply.json()["access"])["user_id"] == str(ada.pk)


def test_the_function_of_the_page_excludes_staff(site: Any, ada: User, configure: Configure) -> None:
    User.objects.update(is_staff=True)
    configure(MAY_LOG_IN=page["may_log_in"])
    url = f"/api/log-in/{post(Client(), '/api/log-in/', number=NUMBER).json()['id']}/check/"

    assert post(Client(), url, code=str(last_code_for(NUMBER))).json()["code"] == "no_account"


@pytest.mark.django_db(transaction=True)
def test_the_client_of_the_page_logs_in_with_the_csrf_token(
    site: Any, ada: User, live_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.ROOT_URLCONF = "tests.login.docs_urls"
    monkeypatch.setenv("NO_PROXY", "*")

    with page["log_in"](live_server.url, NUMBER, lambda: str(last_code_for(NUMBER))) as session:
        assert "sessionid" in session.cookies
        assert session.get(f"{live_server.url}/home/", timeout=60).ok
