"""The page of a request that cannot be answered: the database, or a key of encrypted numbers, is missing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html

from django_telroi.errors import Unavailable
from django_telroi.services.sentences import NOT_NOW
from django_telroi.services.shared.transactions import DATABASE_LOST
from django_telroi.web.card_problems import unavailable_step
from django_telroi.web.cards import NAMESPACE, CardPlace, card_at
from django_telroi.web.steps import refused_step


def unavailable_page(
    request: HttpRequest, template_name: str = "telroi/page.html", *, namespace: str = NAMESPACE, code: str = ""
) -> HttpResponse:
    """Return a page with status 503, for a request that cannot reach its database.

    ``code``: of a refusal that the page shows instead, ``""`` for none.

    The card contains nothing from the session, because the session may be in that database. The site's own
    ``telroi/base.html`` may query the database too, for example for the user's name. Then the page has no template.
    """
    try:
        card = card_at(CardPlace(namespace=namespace), request, shown_attempt=None)
        context = {"request": request, "card": card, "step": refused_step(code, wait=0) if code else unavailable_step()}
        return render(request, template_name, context, status=Unavailable.http_status)
    except DATABASE_LOST:
        html = format_html('<!doctype html><meta name="viewport" content="width=device-width"><p>{}</p>', NOT_NOW)
        return HttpResponse(html, status=Unavailable.http_status)
