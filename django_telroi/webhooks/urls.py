"""The URL of the webhook. Include it: ``path("telroi/", include("django_telroi.webhooks.urls"))``.

Then set ``…/telroi/webhook`` in Telroi's dashboard. A trailing slash is accepted too: a redirect to the URL without it
would lose every event, because Telroi follows it with a GET.
"""

from __future__ import annotations

from django.urls import re_path

from django_telroi.webhooks.views import receive_webhook

app_name = "telroi-webhooks"

urlpatterns = [re_path(r"^webhook/?$", receive_webhook, name="webhook")]
