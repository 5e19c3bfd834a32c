"""The settings of the pages: what the cards show and ask for."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise

from django_telroi.conf import values
from django_telroi.conf.login_settings import LOGIN_PURPOSE

MAX_VERSION_LENGTH = 64


def country_choice() -> bool:
    """Return True if the form for a number has a choice of the country."""
    return values.boolean("COUNTRY_CHOICE")


def site_name() -> str:
    """Return the name of the site for people, ``""`` if it is not set."""
    return values.lazy_text("SITE_NAME")


def purpose_texts() -> Mapping[str, str]:
    """Return the sentences that tell what a number is for, by purpose. They may be lazy translations."""
    texts = values.read("PURPOSE_TEXTS")
    if not isinstance(texts, Mapping) or not all(isinstance(text, str | Promise) for text in texts.values()):
        raise values.invalid_setting("PURPOSE_TEXTS", "a dict of purposes and sentences")
    if set(texts) - {*values.texts("PURPOSES"), LOGIN_PURPOSE}:
        raise values.invalid_setting("PURPOSE_TEXTS", 'a dict whose keys TELROI["PURPOSES"] names too')
    return texts


def consent_text() -> str:
    """Return the line of consent in the form that requests a call, ``""`` for none."""
    return values.lazy_text("CONSENT_TEXT")


def consent_version() -> str:
    """Return the site's name for the version of ``CONSENT_TEXT``, ``""`` if the consent is not recorded."""
    version = values.text("CONSENT_VERSION") or ""
    if len(version) > MAX_VERSION_LENGTH or not version.isprintable():
        raise values.invalid_setting(
            "CONSENT_VERSION", f"a printable string of at most {MAX_VERSION_LENGTH} characters"
        )
    return version


def submit_last_digit() -> bool:
    """Return True if the script sends the code when its last digit is typed."""
    return values.boolean("SUBMIT_LAST_DIGIT")


def success_url() -> str | Promise | None:
    """Return a path, a URL or the name of a URL pattern, for ``django.shortcuts.resolve_url``; or None.

    The result of ``reverse_lazy`` is returned unevaluated, because the URLconf may not be loaded yet.
    """
    value = values.read("SUCCESS_URL")
    return value if isinstance(value, Promise) else values.text("SUCCESS_URL")


def alternative_url() -> str | Promise:
    """Return the URL of the site's other way to prove a number, for ``django.shortcuts.resolve_url``; ``""`` for none.

    It may be a path, a URL, the name of a URL pattern, or the result of ``reverse_lazy``, which is not evaluated.
    """
    value = values.read("ALTERNATIVE_URL")
    return value if isinstance(value, Promise) else values.text("ALTERNATIVE_URL") or ""
