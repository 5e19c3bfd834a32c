"""Links to other pages of the site that is being looked at, for whoever may see them."""

from __future__ import annotations

from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString


def address_of(model: type[Model], pk: object, *, site: AdminSite, request: HttpRequest) -> str:
    """The row's page; "" where the site has none, or this person may not see it."""
    page = site._registry.get(model)
    if pk is None or page is None or not page.has_view_permission(request):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    try:
        return reverse(name, args=(quote(str(pk)),), current_app=site.name)
    except NoReverseMatch:
        return ""


def linked(words: str, url: str) -> SafeString:
    """The words, as a link if there is somewhere to go; their direction stays their own."""
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, words) if url else format_html("<bdi>{}</bdi>", words)
