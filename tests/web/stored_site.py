"""A site that has a number of each user, and asks to verify it: ``first_name`` of the user stands for the number."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views import View

from django_telroi.rest.permissions import IsPhoneVerified
from django_telroi.rest.views import StoredNumberStartView
from django_telroi.web.gates import PhoneVerifiedRequiredMixin, phone_verified_required
from tests.rest.own_site import behind
from tests.web.site import page_with


class Payout(PhoneVerifiedRequiredMixin, View):
    def get_number(self) -> object:
        return self.request.user.first_name  # type: ignore[attr-defined]

    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("in")


class AsyncPayout(PhoneVerifiedRequiredMixin, View):
    def get_number(self) -> object:
        return self.request.user.first_name  # type: ignore[attr-defined]

    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("in")


@phone_verified_required(number=lambda request: request.user.first_name, max_age=3600)
def statement(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


class IsNumberVerified(IsPhoneVerified):
    def get_number(self, request: Any, view: Any) -> object:
        return request.user.first_name


class StartOwnNumber(StoredNumberStartView):
    def get_number(self) -> object:
        return self.request.user.first_name


urlpatterns = [
    path("phone/", include("django_telroi.urls")),
    path("api/phone/start/", StartOwnNumber.as_view()),
    path("api/phone/forgotten/", StoredNumberStartView.as_view()),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("api/payout/", behind(IsNumberVerified)),
    path("card/", page_with("{% phone_verify number=user.first_name next='/account/' %}")),
    path("order/", page_with("{% phone_verify number=request.GET.number %}")),
    path("here/", page_with("{% phone_verify number=user.first_name %}")),
    path("typed/", page_with("{% phone_verify %}")),
    path("account/", page_with("<p>Your account</p>")),
    path("payout/", Payout.as_view()),
    path("async-payout/", AsyncPayout.as_view()),
    path("statement/", statement),
]
