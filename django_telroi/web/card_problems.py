"""Cards without an attempt: the request is invalid, or the site has a problem."""

from __future__ import annotations

from django.utils.translation import gettext as _

from django_telroi.errors import InvalidPurpose
from django_telroi.services.sentences import NOT_NOW, sentence
from django_telroi.web.steps import Step


def problem_step() -> Step:
    """Return the step for a GET of a URL that takes only POST."""
    return Step(name="problem", title=_("Nothing happened"), message=_("Go on from where you were."), again=_("Go on"))


def unavailable_step() -> Step:
    """Return the step for an unavailable database."""
    return Step(
        name="problem",
        title=_("We cannot go on right now"),
        message=str(NOT_NOW),
        is_bad=True,
        again=_("Try again"),
    )


def purpose_problem() -> Step:
    """Return the step for a purpose that is not in ``PURPOSES``."""
    return Step(name="problem", title=_("This did not work"), message=sentence(InvalidPurpose.code), is_bad=True)
