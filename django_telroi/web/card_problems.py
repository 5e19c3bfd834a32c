"""Cards that tell of no attempt: something is wrong with the request, or with the site."""

from __future__ import annotations

from django.utils.translation import gettext as _

from django_telroi.errors import InvalidPurpose
from django_telroi.services.sentences import NOT_NOW, sentence
from django_telroi.web.steps import Step


def problem_step() -> Step:
    """An address that only a button may use."""
    return Step(name="problem", title=_("Nothing happened"), message=_("Go on from where you were."), again=_("Go on"))


def unavailable_step() -> Step:
    """Nobody can say how anything stands, as while the database is gone."""
    return Step(
        name="problem",
        title=_("We cannot go on right now"),
        message=str(NOT_NOW),
        is_bad=True,
        again=_("Try again"),
    )


def purpose_problem() -> Step:
    """A page for something that this site does not verify phones for."""
    return Step(name="problem", title=_("This did not work"), message=sentence(InvalidPurpose.code), is_bad=True)
