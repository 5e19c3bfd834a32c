"""The system check of the purposes that gates name."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.decorators import login_required
from django.core.checks import ERROR, CheckMessage, Tags, run_checks
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from django_telroi.web.gates import PhoneVerifiedRequiredMixin, phone_verified_required

PAGE = path("phone/", include("django_telroi.urls"))


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


async def async_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


class PayoutView(PhoneVerifiedRequiredMixin, View):
    purpose = "payout"


class DecidesLater(PhoneVerifiedRequiredMixin, View):
    @property
    def purpose(self) -> str:  # type: ignore[override]
        return "payout"


@method_decorator(phone_verified_required(purpose="payout"), name="dispatch")
class DecoratedView(View):
    pass


payout = phone_verified_required(purpose="payout")
GATED: dict[str, Any] = {
    "a function": payout(page),
    "an asynchronous function": payout(async_page),
    "below another decorator": login_required(payout(page)),
    "below another gate": phone_verified_required(payout(page)),
    "a class": PayoutView.as_view(),
    "an argument of as_view": type("AnyView", (PhoneVerifiedRequiredMixin, View), {}).as_view(purpose="payout"),
    "a decorated class": DecoratedView.as_view(),
    "below another decorator of a class": login_required(PayoutView.as_view()),
}


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.TELROI = {"PURPOSES": [""]}


def found(*views: Any) -> list[CheckMessage]:
    inner = [path(f"{place}/", view) for place, view in enumerate(views)]
    with override_settings(ROOT_URLCONF=(PAGE, path("account/", include((inner, "account"))))):
        messages = run_checks(tags=[Tags.urls])
    return [message for message in messages if message.id == "telroi.E050"]


@pytest.mark.parametrize("view", GATED.values(), ids=GATED.keys())
def test_a_purpose_that_the_site_does_not_have_is_named(settings: Any, view: Any) -> None:
    [message] = found(view)

    assert message.level == ERROR
    assert 'The purpose "payout" of a gate is not in TELROI["PURPOSES"].' in message.msg

    settings.TELROI = {"PURPOSES": ["", "payout"]}
    assert found(view) == []


def test_the_hint_names_the_view_and_each_purpose_is_named_once() -> None:
    [first, second] = found(payout(page), payout(page), phone_verified_required(purpose="sing-up")(page))

    assert first.hint == "Correct the purpose in tests.checks.test_gate_checks.page, or the setting."
    assert '"sing-up"' in second.msg


def test_a_purpose_without_records_is_named(settings: Any) -> None:
    settings.TELROI = {"PURPOSES": ["", "payout"], "PURPOSES_WITHOUT_RECORD": ["payout"]}

    [message] = found(payout(page))

    assert 'is in TELROI["PURPOSES_WITHOUT_RECORD"]' in message.msg


@pytest.mark.parametrize(
    "view", [page, partial(page), phone_verified_required(page), DecidesLater.as_view(), View.as_view()]
)
def test_a_view_without_a_wrong_purpose_has_no_message(view: Any) -> None:
    assert found(view) == []
