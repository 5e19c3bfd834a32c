"""Cards without an attempt: the request is invalid, or the database or a key of encrypted numbers is missing."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi.errors import InvalidPurpose, Unavailable
from django_telroi.services.sentences import NOT_NOW, sentence
from django_telroi.services.shared.transactions import DATABASE_LOST
from django_telroi.web.cards import NAMESPACE, CardPlace, card_at
from django_telroi.web.steps import Step, refused_step


def problem_step() -> Step:
    """Return the step for a GET of a URL that takes only POST."""
    message = pgettext("phone card", "This page cannot be opened on its own. Your verification is where you left it.")
    return Step(
        name="problem",
        title=_("Nothing happened"),
        message=message,
        again=pgettext("phone card", "Back to your verification"),
    )


def unavailable_step() -> Step:
    """Return the step for an unavailable database."""
    return Step(
        name="problem",
        title=_("We cannot go on right now"),
        message=str(NOT_NOW),
        is_bad=True,
        again=_("Try again"),
    )


def form_problem_step(message: str) -> Step:
    """Return the step for a form that is rejected and has no field to type into again."""
    return Step(name="problem", title=_("This did not work"), message=message, is_bad=True)


def purpose_problem() -> Step:
    """Return the step for a purpose that is not in ``PURPOSES``."""
    return form_problem_step(sentence(InvalidPurpose.code))


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
