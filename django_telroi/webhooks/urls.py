"""``path("telroi/", include("django_telroi.webhooks.urls"))``: the address to give to Telroi is ``…/telroi/webhook``.

With a slash behind it too. A redirect to the right spelling would lose every event: Telroi follows it with a GET.
"""

from __future__ import annotations

from django.urls import re_path

from django_telroi.webhooks.views import receive_webhook

app_name = "telroi-webhooks"

urlpatterns = [re_path(r"^webhook/?$", receive_webhook, name="webhook")]
