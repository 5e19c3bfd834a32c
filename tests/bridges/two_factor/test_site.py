"""What a site must write, and what the system checks say about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings as site
from two_factor.plugins.phonenumber.method import PhoneCallMethod
from two_factor.views import LoginView
from two_factor.views.utils import IdempotentSessionWizardView

from django_telroi.checks.second_factors import check_second_factors
from django_telroi.contrib.two_factor.refused_calls import show_refusals

PAGE = Path(__file__).parents[3] / "docs" / "integrations" / "two_factor.rst"


def test_a_site_writes_one_line_and_it_is_the_line_of_these_tests() -> None:
    (block,) = re.findall(r"\.\. code-block:: python\n(?:   :.*\n)*\n((?:   .*\n|\n)+)", PAGE.read_text())

    assert block.strip().splitlines() == [f'TWO_FACTOR_CALL_GATEWAY = "{site.TWO_FACTOR_CALL_GATEWAY}"']


def test_the_check_names_a_gateway_without_the_app_for_phones(settings: Any) -> None:
    assert list(check_second_factors()) == []

    settings.INSTALLED_APPS = [app for app in site.INSTALLED_APPS if app != "two_factor.plugins.phonenumber"]
    assert [message.id for message in check_second_factors()] == ["telroi.W022"]

    settings.TWO_FACTOR_CALL_GATEWAY = "two_factor.gateways.fake.Fake"
    assert list(check_second_factors()) == []


def test_the_pages_get_one_base_class_each_also_if_django_starts_twice() -> None:
    before = (IdempotentSessionWizardView.__mro__, PhoneCallMethod.__mro__)
    show_refusals()
    apps.get_app_config("django_telroi").ready()

    assert (IdempotentSessionWizardView.__mro__, PhoneCallMethod.__mro__) == before
    assert [base.__name__ for base in LoginView.__mro__].count("ShowsRefusals") == 1
