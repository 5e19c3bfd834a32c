"""The page of a database that is gone: it asks for nothing that could be in it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html

from django_telroi.errors import Unavailable
from django_telroi.services.sentences import NOT_NOW
from django_telroi.services.transactions import DATABASE_LOST
from django_telroi.web.cards import Place, card_at
from django_telroi.web.problems import unavailable_step


def unavailable_page(request: HttpRequest, template_name: str = "telroi/page.html") -> HttpResponse:
    """503 with a card that says so. The session, and the attempt in it, may be in the database that is gone.

    A site's own ``telroi/base.html`` may greet the user, which asks the database too: then the sentence stands alone.
    """
    try:
        card = card_at(Place(), request, shown_attempt=None)
        context = {"request": request, "card": card, "step": unavailable_step()}
        return render(request, template_name, context, status=Unavailable.http_status)
    except DATABASE_LOST:
        html = format_html('<!doctype html><meta name="viewport" content="width=device-width"><p>{}</p>', NOT_NOW)
        return HttpResponse(html, status=Unavailable.http_status)
