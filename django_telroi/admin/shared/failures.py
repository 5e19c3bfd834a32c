"""What the admin's pages of this app answer if the database fails, or if a number cannot be decrypted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from django_telroi.errors import Unavailable
from django_telroi.models.sealed import NumbersUnreadable
from django_telroi.services.requester import hide_what_was_posted
from django_telroi.services.sentences import NOT_NOW
from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections, log_unreadable_numbers

KEY_MISSING = _("A phone number cannot be read: the site does not have the key that encrypted it.")


class FailuresAnswered(admin.ModelAdmin):  # type: ignore[type-arg]
    """Answers 503 with a sentence on each page of this admin, Django's own included. It must be the first base class.

    Error reports do not show what was posted: a search, a reason or a note may contain a number.
    """

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()
        for each in urls:
            each.callback = _answer_failures(hide_what_was_posted(each.callback))
        return urls


def _answer_failures(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """Return ``view`` with a response of status 503 for both failures.

    The response does not use the admin's template, which would query the user and the permissions.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = _response_or_failure(partial(view, request, *args, **kwargs))
        if isinstance(response, TemplateResponse):
            # Django renders it after the view returned, and the template makes queries too.
            response.render = partial(_response_or_failure, response.render)  # type: ignore[method-assign,assignment]
        return response

    return answer


def _response_or_failure(act: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return act()
    except DATABASE_LOST as error:
        close_lost_connections(error)
    except NumbersUnreadable:
        log_unreadable_numbers()
        return _page(KEY_MISSING)
    except Unavailable:
        pass  # logged where it was raised
    return _page(NOT_NOW)


def _page(sentence: Promise) -> HttpResponse:
    return HttpResponse(format_html("<!doctype html><p>{}</p>", sentence), status=Unavailable.http_status)
