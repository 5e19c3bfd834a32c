"""A site that makes one of our pages public, with Django's decorator."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.urls import include, path

from django_telroi import urls
from django_telroi.web.views import StartView

pages = [path("", login_not_required(StartView.as_view()), name="start"), *urls.urlpatterns[1:]]

urlpatterns = [path("phone/", include((pages, "telroi")))]
