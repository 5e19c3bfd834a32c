"""Redirects for pages that were left open: their session has ended, or their row is deleted."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import pgettext


def back_to_the_button(request: HttpRequest, address: str) -> HttpResponseRedirect:
    """Return a redirect to the page with the button, at ``address``, and add a message that nothing was done.

    For a URL that accepts only POST. The login after a lost session redirects to it by GET.
    """
    words = pgettext("message", "Nothing was done. If you had to log in first, do it again on this page.")
    messages.warning(request, words)
    return HttpResponseRedirect(address)


def to_missing_row(page: admin.ModelAdmin, object_id: str) -> HttpResponseRedirect:  # type: ignore[type-arg]
    """Return a redirect for a row that does not exist.

    It leads to the row's own page, where Django says so and redirects to the first page of the admin. ``object_id`` is
    the part of the URL, as Django quotes it.
    """
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
    return HttpResponseRedirect(reverse(name, args=[object_id], current_app=page.admin_site.name))
