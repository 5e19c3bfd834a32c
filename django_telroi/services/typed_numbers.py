"""What helps a person whose typed number was rejected: the reason, an example, and numbers that they may mean.

The pages and the API use the same sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.functional import Promise
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.country_facts import example_number
from django_telroi.domain.invalid_numbers import NumberProblem, problem_of, suggest_numbers
from django_telroi.domain.phone import grouped
from django_telroi.errors import InvalidNumber
from django_telroi.redaction import redact_arguments
from django_telroi.services.sentences import SENTENCES

NUMBER_SENTENCES: dict[NumberProblem, str | Promise] = {
    NumberProblem.MISSING: pgettext_lazy("error of the number", "Type your phone number first."),
    NumberProblem.TOO_SHORT: pgettext_lazy(
        "error of the number", "This number is too short. Type all its digits, with the area code."
    ),
    NumberProblem.NO_COUNTRY_CODE: pgettext_lazy(
        "error of the number", "The country code is missing. Start with + and the country code."
    ),
    NumberProblem.HAS_EXTENSION: pgettext_lazy(
        "error of the number", "We cannot call an extension. Type the number without it."
    ),
    NumberProblem.SEVERAL_NUMBERS: pgettext_lazy("error of the number", "These are several numbers. Type only one."),
    NumberProblem.OTHER: SENTENCES[InvalidNumber.code],
}
"""Why a typed number is no valid number."""


@dataclass(frozen=True)
class RejectedNumber:
    """``suggestions`` are callable numbers (E.164), the most likely first. ``example`` is one (E.164), or ``""``."""

    problem: NumberProblem
    suggestions: Sequence[str] = field(repr=False)
    example: str = ""

    @property
    def sentence(self) -> str:
        """The error for the person. It is plain text. ``grouped(example)`` is the number in it."""
        if self.problem == NumberProblem.NO_COUNTRY_CODE and self.example:
            text = pgettext(
                "error of the number",
                "The country code is missing. Start with + and the country code, like %(example)s.",
            )
            return text % {"example": grouped(self.example)}
        return str(NUMBER_SENTENCES[self.problem])


def example_for(visitor_region: str) -> str:
    """Return an example number (E.164) of the site's region, else of the visitor's. ``""`` without a region."""
    allowed = conf.calling_rules().allowed_regions or ()
    only = next(iter(allowed)) if len(allowed) == 1 else ""
    regions = filter(None, ((conf.default_region() or "").strip().upper(), visitor_region, only))
    return next(filter(None, map(example_number, regions)), "")


@redact_arguments("text")
@sensitive_variables()
def explain_rejected(text: str, *, country: str = "", visitor_region: str = "") -> RejectedNumber:
    """Return why the text is no valid number, and what the person may mean.

    ``country``: the region in which the text was read, ``""`` for ``DEFAULT_REGION``.
    """
    read_in = country or conf.default_region()
    regions = [region for region in (country, conf.default_region(), visitor_region) if region]
    return RejectedNumber(
        problem_of(text, default_region=read_in),
        suggest_numbers(text, regions=regions, rules=conf.calling_rules()),
        example_for(country or visitor_region),
    )
