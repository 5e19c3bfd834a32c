"""The country of a visitor: that of their last number in this session, or the one their browser's language names."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import parse_phone
from django_telroi.services.typed_numbers import visitor_region
from django_telroi.web.session import session_of

COUNTRY_KEY = "telroi_country"
"""The key of the session with the country of the visitor's last number, as an ISO 3166 code."""


def form_options(request: HttpRequest) -> dict[str, Any]:
    """Return the arguments of a ``PhoneForm`` that depend on the visitor."""
    country = session_of(request).get(COUNTRY_KEY, "") if conf.country_choice() else ""
    return {"visitor_region": visitor_region(request), "country": country}


@sensitive_variables()
def remember_country(request: HttpRequest, form: Form, number: str) -> None:
    """Keep the country of the accepted ``number`` (E.164) for the next form of this session.

    It may differ from the chosen country, which does not change a number with its country code or a suggested one.
    Does nothing if ``form`` has no choice, or not this country.
    """
    choice: Any = form.fields.get("phone_country")
    session, region = session_of(request), parse_phone(number).region
    if choice and choice.valid_value(region) and session.get(COUNTRY_KEY) != region:
        session[COUNTRY_KEY] = region
