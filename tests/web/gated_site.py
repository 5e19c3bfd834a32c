"""A site with views that require a verified phone, and a sign-up form that requires a proof."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template import engines
from django.urls import include, path
from django.views import View
from django.views.generic import CreateView, FormView

from django_telroi.errors import ProofRejected
from django_telroi.web.forms import ProofField, ProofFormMixin
from django_telroi.web.gates import PhoneVerifiedRequiredMixin, phone_verified_required
from tests.web.site import page_with


class SignUpForm(forms.Form):
    username = forms.CharField()
    phone_proof = ProofField(purpose="signup")

    @transaction.atomic
    def save(self) -> User:
        user = User.objects.create_user(self.cleaned_data["username"])
        self.cleaned_data["phone_proof"].redeem(user=user)
        return user


SIGN_UP = """{% load telroi %}<form method="post" id="sign-up">{% csrf_token %}
PROOF_AND_FORM<button>Sign up</button></form>
{% phone_verify purpose="signup" %}"""
PROOF_FIRST = SIGN_UP.replace("PROOF_AND_FORM", '{% phone_proof purpose="signup" %}{{ form }}')
PROOF_LAST = SIGN_UP.replace("PROOF_AND_FORM", '{{ form }}{% phone_proof purpose="signup" %}')


def sign_up(request: HttpRequest, page: str = PROOF_FIRST) -> HttpResponse:
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        try:
            return HttpResponse(f"welcome {form.save().get_username()}")
        except ProofRejected as error:
            form.add_error("phone_proof", error)
    return HttpResponse(engines["django"].from_string(page).render({"form": form}, request))


class SignUpModelForm(forms.ModelForm):  # type: ignore[type-arg]
    phone_proof = ProofField(purpose="signup")

    class Meta:
        model = User
        fields = ("username",)

    def save(self, commit: bool = True) -> User:
        user = super().save(commit=commit)
        self.cleaned_data["phone_proof"].redeem(user=user)
        return user


class FormSignUp(ProofFormMixin, FormView):  # type: ignore[type-arg]
    form_class = SignUpForm
    success_url = "/in/"

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        form.save()
        return super().form_valid(form)

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        return HttpResponse(engines["django"].from_string(PROOF_LAST).render(context, self.request))


class BareSignUp(CreateView):  # type: ignore[type-arg]
    """Handles no exception."""

    form_class = SignUpModelForm
    success_url = "/in/"

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        source = '{% load telroi %}<form id="sign-up">{% phone_proof purpose="signup" %}{{ form }}</form>'
        return HttpResponse(engines["django"].from_string(source).render(context, self.request))


class ModelSignUp(ProofFormMixin, BareSignUp):
    pass


@phone_verified_required
def any_phone(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@phone_verified_required(purpose="signup")
def signed_up(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@phone_verified_required(purpose="")
@phone_verified_required(max_age=timedelta(days=30))
def lately(request: HttpRequest, which: int) -> HttpResponse:
    source = "{% load telroi %}in {{ user|phone_verified }}{% phone_verified user max_age=60 as ok %} {{ ok }}"
    return HttpResponse(engines["django"].from_string(source).render({"user": request.user}, request))


@phone_verified_required(purpose="nonsense")
def unknown_purpose(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


@phone_verified_required(max_age=3600)
async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("in")


class ClassView(PhoneVerifiedRequiredMixin, View):
    max_age = 3600

    def get(self, request: HttpRequest) -> HttpResponseBase:
        return HttpResponse("in")


class AsyncClassView(PhoneVerifiedRequiredMixin, View):
    purpose = "signup"

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        return HttpResponse("in")


ASKS_OFTEN = """{{ user|phone_verified }} {{ user|phone_verified:"signup" }} {{ nobody|phone_verified }}
{% phone_verified user max_age=3600 as ok %}{{ ok }} {% phone_verified user purpose="" as ok %}{{ ok }}"""

urlpatterns: list[Any] = [
    path("phone/", include("django_telroi.urls")),
    path("any/", any_phone),
    path("signed-up/", signed_up),
    path("lately/<int:which>/", lately),
    path("unknown/", unknown_purpose),
    path("async/", async_view),
    path("class/", ClassView.as_view()),
    path("async-class/", AsyncClassView.as_view()),
    path("sign-up/", sign_up),
    path("sign-up-last/", sign_up, {"page": PROOF_LAST}),
    path("sign-up-view/", FormSignUp.as_view()),
    path("sign-up-model/", ModelSignUp.as_view()),
    path("sign-up-bare/", BareSignUp.as_view()),
    path("page/", page_with("<p id='told'>" + ASKS_OFTEN + "</p>")),
    path("card/", page_with("{% phone_verify %}")),
    path("proof/", page_with("{% phone_proof %}{% phone_proof purpose='signup' name='other' %}")),
    path("proof-of-nonsense/", page_with("{% phone_proof purpose='nonsense' %}")),
]
