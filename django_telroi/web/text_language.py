"""The language in which our own texts are shown."""

from __future__ import annotations

from typing import NamedTuple

from django.conf import settings
from django.utils.translation import get_language, gettext, override, pgettext

from django_telroi import conf
from django_telroi.domain.request_headers import language_tag

__all__ = ["TextLanguage", "call_language", "text_language"]


class TextLanguage(NamedTuple):
    """The BCP 47 tag of a language, and its direction: ``ltr`` or ``rtl``."""

    lang: str
    dir: str


def text_language() -> TextLanguage:
    """Return the language of our texts in this request. It differs from the active language that has no catalogue.

    Then Django shows the texts of ``LANGUAGE_CODE``, or the English ones. A screen reader must not read them as if they
    were of the active language.
    """
    active = language_tag(get_language() or "") or ""
    # Each catalogue translates "en" with its own tag, so the answer is right for fallbacks of Django's too.
    shown = pgettext("BCP 47 tag of the language of this file", "en")
    is_variant = f"{active}-".startswith(f"{shown}-")  # de-AT and en-US have the texts of de and en
    if is_variant:
        shown = active
    elif shown == "en":
        shown = _language_of_the_site(active)
    return TextLanguage(shown, "rtl" if shown.split("-")[0] in settings.LANGUAGES_BIDI else "ltr")


def _language_of_the_site(active: str) -> str:
    """Return the language of our texts if the site has a catalogue of its own for them, which need not name it.

    Django takes a text that ``active`` does not have from ``LANGUAGE_CODE``, where the site may have other words too.
    """
    text = gettext("Call me")
    if text == "Call me":
        return "en"
    with override(settings.LANGUAGE_CODE):
        fallback = gettext("Call me")
    return active if text != fallback else language_tag(settings.LANGUAGE_CODE) or "en"


def call_language() -> str | None:
    """Return the language for a call that a page of ours requests. None if the setting ``LANGUAGE`` decides."""
    return None if conf.language() else text_language().lang
