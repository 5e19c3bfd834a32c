"""The cards of the login: those of a verification with other words, and the ends of a login."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.shortcuts import resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from django_telroi import conf
from django_telroi.web import card_texts
from django_telroi.web.steps import Step

LOGGED_IN = "done"
"""The name of the step of a visitor who is logged in: the last one of a verification."""


@dataclass(frozen=True)
class NoAccountStep(Step):
    """The step after a right code for a number without an account. ``sign_up_url``: of the site, ``""`` for none."""

    sign_up_url: str = ""


def as_login_step(step: Step) -> Step:
    """Return the step of a verification with the words of a login, and with the site's other way to log in."""
    # Both texts are in the active language.
    is_first = step.title == _("Verify your phone")
    title = pgettext("phone card", "Log in by phone") if is_first else step.title
    return replace(step, title=title, has_alternative=step.name != LOGGED_IN)


def no_account_step(masked_number: str) -> NoAccountStep:
    """Return the step for a person who typed the right code of a number that logs in to no account."""
    url = conf.login_sign_up_url()
    return NoAccountStep(
        "no_account",
        pgettext("phone card", "No account has this number"),
        lead=card_texts.shown_number(masked_number),
        message=no_account_text(),
        is_calm=True,
        other=_("Use another number"),
        sign_up_url=resolve_url(str(url)) if url else "",
    )


def logged_in_step() -> Step:
    """Return the step for a visitor who is logged in already."""
    return Step(LOGGED_IN, pgettext("phone card", "You are logged in"))


def code_used_step() -> Step:
    """Return the step for the second request with the same code."""
    title = pgettext("phone card", "This code was used already")
    return Step("ended", title, message=code_used_text(), other=_("Start again"))


def no_account_text() -> str:
    """Return the sentence for a right code of a number without an account. The same for an inactive account."""
    return pgettext("login", "The code was right, but no account that you can log in to has this number.")


def code_used_text() -> str:
    return pgettext("login", "A code logs in once, and this one was used. Ask for another call.")


def logged_in_text() -> str:
    return pgettext("login", "You are logged in.")
