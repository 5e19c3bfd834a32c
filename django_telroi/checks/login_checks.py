"""System checks of the login and of the numbers of app reviewers."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.conf.site_settings import LOGIN_APP
from django_telroi.conf.values import load_function
from django_telroi.domain.phone import parse_phone, refuse_uncallable
from django_telroi.domain.typed_codes import LEAST_DIGITS, MOST_DIGITS, is_strong_code
from django_telroi.errors import VerificationRefused


def check_login() -> Iterator[CheckMessage]:
    """Yield a message for each setting with which a login by phone does not work, or is not safe."""
    if apps.is_installed(LOGIN_APP):
        yield from _other_way()
        yield from _functions()
        yield from _accounts()
    yield from _reviewers()


def check_reviewer_numbers() -> Iterator[CheckMessage]:
    """Yield an error if reviewer numbers are not named twice. Only for production."""
    if set(conf.reviewer_numbers()) != set(conf.reviewer_numbers_in_production()):
        yield Error(
            'TELROI["REVIEWER_SECRET_NUMBERS"] and TELROI["REVIEWER_SECRET_NUMBERS_IN_PRODUCTION"] do not list the '
            "same numbers. A reviewer number logs in with a code that never changes.",
            hint="Remove REVIEWER_SECRET_NUMBERS, or list the same numbers in both settings while a review needs them.",
            id="telroi.E028",
        )


def check_staff_logins() -> Iterator[CheckMessage]:
    """Yield a warning if a call alone opens the accounts of staff. Only for production."""
    if apps.is_installed(LOGIN_APP) and apps.is_installed("django.contrib.admin") and not conf.may_log_in():
        yield checks.Warning(
            'A call alone logs in every account, also those of staff, because TELROI["MAY_LOG_IN"] is not set. '
            "A SIM swap or call forwarding then opens the admin.",
            hint="Set MAY_LOG_IN to a function that returns False for such accounts. If the admin asks for a second "
            "factor, add telroi.W053 to SILENCED_SYSTEM_CHECKS.",
            id="telroi.W053",
        )


def _other_way() -> Iterator[CheckMessage]:
    if not conf.login_alternative_url():
        # WCAG 2.2, criterion 3.3.8: a person who cannot hear and copy digits must have another way to log in.
        yield Error(
            'django_telroi.contrib.login is installed, but TELROI["LOGIN_ALTERNATIVE_URL"] is not set. '
            "People who cannot hear or copy a code cannot log in.",
            hint="Set it to a page with another way to log in, such as a passkey, a password or a link by mail.",
            id="telroi.E024",
        )


def _functions() -> Iterator[CheckMessage]:
    for key, chosen in (("LOGIN_RESPONSE", conf.login_response()), ("MAY_LOG_IN", conf.may_log_in())):
        try:
            if chosen:
                load_function(chosen)
        except Exception:  # noqa: BLE001 - a module of the site may raise anything
            yield Error(
                f'TELROI["{key}"] is not the dotted path of a function, so logins by phone fail.',
                hint="Set it to a function that takes the request and the user, or to its dotted path.",
                id="telroi.E025",
            )


def _accounts() -> Iterator[CheckMessage]:
    if not conf.one_account_per_number():
        yield checks.Warning(
            'Numbers log in, but TELROI["ONE_ACCOUNT_PER_NUMBER"] is off. If two accounts verified a number, it logs '
            "in to the one that verified it last.",
            hint="Set ONE_ACCOUNT_PER_NUMBER to True. If people of your site share numbers, add telroi.W029 to "
            "SILENCED_SYSTEM_CHECKS.",
            id="telroi.W029",
        )
    if without := sorted(set(conf.login_purposes()) & set(conf.purposes_without_record()) - {conf.LOGIN_PURPOSE}):
        yield checks.Warning(
            f'TELROI["LOGIN_PURPOSES"] names {without[0]!r}, but PURPOSES_WITHOUT_RECORD names it too, so new '
            "verifications for it write no record, and no new account can log in with its number.",
            hint="Remove it from one of the two settings.",
            id="telroi.W030",
        )


def _reviewers() -> Iterator[CheckMessage]:
    if not conf.reviewer_numbers():
        return
    if not is_strong_code(conf.reviewer_secret_code()):
        yield Error(
            'TELROI["REVIEWER_SECRET_NUMBERS"] is set, but TELROI["REVIEWER_SECRET_CODE"] is missing or too easy. '
            "The numbers are refused.",
            hint=f"Set REVIEWER_SECRET_CODE to {LEAST_DIGITS} to {MOST_DIGITS} random digits, five of them different, "
            "without rows such as 1234. Keep it out of version control.",
            id="telroi.E026",
        )
    for place, number in enumerate(conf.reviewer_numbers(), 1):
        if not _is_callable(number):
            yield Error(
                f'Entry {place} of TELROI["REVIEWER_SECRET_NUMBERS"] is no number in E.164 form that this site would '
                "call.",
                hint="Write it with + and the country code, without spaces, and use a number of your own.",
                id="telroi.E027",
            )


def _is_callable(number: str) -> bool:
    try:
        phone = parse_phone(number, default_region=None)
        refuse_uncallable(phone, conf.calling_rules())
    except VerificationRefused:
        return False
    return phone.number == number
