"""The URLs of the login. Include them: ``path("log-in/phone/", include("django_telroi.contrib.login.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.contrib.login import views

app_name = "telroi-login"

urlpatterns = [
    path("", views.LoginStartView.as_view(), name="start"),
    path("code/", views.LoginCodeView.as_view(), name="code"),
    path("call-again/", views.LoginCallAgainView.as_view(), name="call-again"),
    path("change-number/", views.LoginChangeNumberView.as_view(), name="change-number"),
    path("status/", views.LoginStatusView.as_view(), name="status"),
    path("done/", views.LoginDoneView.as_view(), name="done"),
]
