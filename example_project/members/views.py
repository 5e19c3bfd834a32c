"""A page for members, and how to become one."""

from __future__ import annotations

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from django_telroi.errors import ProofRejected
from django_telroi.services import verified_phones
from django_telroi.web.gates import phone_verified_required
from members.forms import SignUpForm


@never_cache
@phone_verified_required
def members(request: HttpRequest) -> HttpResponse:
    """Only for users with a verified phone; who has none is led through the flow, and back."""
    assert request.user.is_authenticated  # the gate saw to it
    return render(request, "members/members.html", {"phones": verified_phones(request.user)})


@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    """First the phone. A right code leads to the account."""
    return redirect("members") if request.user.is_authenticated else render(request, "members/sign_up.html")


@sensitive_post_parameters()
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Then the account, which takes the phone's proof."""
    if request.user.is_authenticated:
        return redirect("members")
    form = SignUpForm(request.POST or None)
    if form.is_valid() and has_joined(request, form):
        return redirect("members")
    return render(request, "members/account.html", {"form": form})


def has_joined(request: HttpRequest, form: SignUpForm) -> bool:
    """Make the user and log them in; False, with the reason in the form, where the proof was spent a moment ago."""
    try:
        login(request, form.save())
    except ProofRejected as error:
        form.add_error("phone_proof", error)
        return False
    return True
