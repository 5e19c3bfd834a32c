"""The page for members, and the sign-up."""

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
    """Show the members' page. A user without a verified phone is redirected to verify one, and returns."""
    assert request.user.is_authenticated  # phone_verified_required guarantees it
    return render(request, "members/members.html", {"phones": verified_phones(request.user)})


@never_cache
def sign_up(request: HttpRequest) -> HttpResponse:
    """First step: verify the phone. The right code leads to the second step."""
    return redirect("members") if request.user.is_authenticated else render(request, "members/sign_up.html")


@sensitive_post_parameters()
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Second step: create the account with the proof of the phone."""
    if request.user.is_authenticated:
        return redirect("members")
    form = SignUpForm(request.POST or None)
    if form.is_valid() and create_account(request, form):
        return redirect("members")
    return render(request, "members/account.html", {"form": form})


def create_account(request: HttpRequest, form: SignUpForm) -> bool:
    """Create the user and log them in. Returns False, with an error in the form, if the proof was used meanwhile."""
    # The form was valid, but another tab may have used the proof since.
    try:
        login(request, form.save())
    except ProofRejected as error:
        form.add_error("phone_proof", error)
        return False
    return True
