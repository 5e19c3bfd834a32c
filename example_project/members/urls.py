"""The URLs of the members' pages."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from members import views
from members.api import SignUpView

urlpatterns = [
    path("members/", views.members, name="members"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("sign-up/account/", views.account, name="account"),
    path("log-in/", LoginView.as_view(template_name="members/log_in.html"), name="log-in"),
    path("log-out/", LogoutView.as_view(), name="log-out"),
    path("api/sign-up/", SignUpView.as_view(), name="api-sign-up"),
]
