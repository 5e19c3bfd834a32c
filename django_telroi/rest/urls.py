"""The URLs of the API. Include them: ``path("api/phone/", include("django_telroi.rest.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.packages import REST_FRAMEWORK
from django_telroi.rest.missing_framework import urls_without_framework

app_name = "telroi-rest"

# Not <uuid:uuid>: with <str:uuid> an id that is not a UUID gets the same 404 in JSON as an unknown id.
if REST_FRAMEWORK.is_installed:
    from django_telroi.rest import views

    urlpatterns = [
        path("verifications/", views.StartView.as_view(), name="verifications"),
        path("verifications/<str:uuid>/", views.VerificationView.as_view(), name="verification"),
        path("verifications/<str:uuid>/check/", views.CheckView.as_view(), name="check"),
        path("verifications/<str:uuid>/call-again/", views.CallAgainView.as_view(), name="call-again"),
        path("verifications/<str:uuid>/cancel/", views.CancelView.as_view(), name="cancel"),
        path("phones/", views.PhonesView.as_view(), name="phones"),
    ]
else:
    urlpatterns = urls_without_framework("verifications", "verifications/", "phones/")
