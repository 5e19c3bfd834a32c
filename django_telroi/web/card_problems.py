"""Cards without an attempt: the request is invalid, or the site has a problem."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi.errors import InvalidPurpose
from django_telroi.services.sentences import NOT_NOW, sentence
from django_telroi.web.steps import Step


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
