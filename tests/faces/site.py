"""A site with all HTML that we render: our pages, cards in its own pages, and the admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.web import site
from tests.web.site import page_with

urlpatterns = [
    *site.urlpatterns,
    path("proof/", page_with("<form>{% phone_proof %}</form>{% phone_verify %}")),
    path("stored/", page_with("{% phone_verify number='+2348031234567' %}")),
    path("stored/none/", page_with("{% phone_verify number=None %}")),
    path("stored/invalid/", page_with("{% phone_verify number='call me' %}")),
    path("admin/", admin.site.urls),
]
