"""The URLs of the pages. Include them: ``path("phone/", include("django_telroi.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.web import views
from django_telroi.web.change_phone import ChangePhoneView
from django_telroi.web.do_not_call import DoNotCallView

app_name = "telroi"

# No id of an attempt in a URL: the session has it, so a copied link gives no access to a call.
urlpatterns = [
    path("", views.StartView.as_view(), name="start"),
    path("code/", views.CodeView.as_view(), name="code"),
    path("call-again/", views.CallAgainView.as_view(), name="call-again"),
    path("change-number/", views.ChangeNumberView.as_view(), name="change-number"),
    path("change/", ChangePhoneView.as_view(), name="change"),
    path("add-number/", views.AddNumberView.as_view(), name="add-number"),
    path("status/", views.StatusView.as_view(), name="status"),
    path("done/", views.DoneView.as_view(), name="done"),
    # The only secret in a path: the link is sent to the owner of a number. It gives no access to a call.
    path("do-not-call/<str:token>/", DoNotCallView.as_view(), name="do-not-call"),
]
