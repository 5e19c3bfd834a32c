"""The URLs of the pages. Include them: ``path("phone/", include("django_telroi.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.web import views

app_name = "telroi"

urlpatterns = [
    path("", views.StartView.as_view(), name="start"),
    path("code/", views.CodeView.as_view(), name="code"),
    path("call-again/", views.CallAgainView.as_view(), name="call-again"),
    path("change-number/", views.ChangeNumberView.as_view(), name="change-number"),
    path("add-number/", views.AddNumberView.as_view(), name="add-number"),
    path("status/", views.StatusView.as_view(), name="status"),
    path("done/", views.DoneView.as_view(), name="done"),
]
