"""A login page with django-otp's form, an admin that requires a second factor, and a page behind it."""

from __future__ import annotations

from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django_otp.admin import OTPAdminSite
from django_otp.decorators import otp_required
from django_otp.forms import OTPAuthenticationForm

from django_telroi.contrib.otp.admin import CallDeviceAdmin
from django_telroi.contrib.otp.models import CallDevice

site = OTPAdminSite(OTPAdminSite.name)
site.register(CallDevice, CallDeviceAdmin)


@otp_required
def verified(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"verified with {request.user.otp_device}")


urlpatterns = [
    path("login/", LoginView.as_view(template_name="login.html", authentication_form=OTPAuthenticationForm)),
    path("verified/", verified),
    path("admin/", site.urls),
]
