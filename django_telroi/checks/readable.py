"""Checks of the dict ``settings.TELROI``: its type, its keys and the type of each value."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from django_telroi import conf
from django_telroi.conf import values


def _written_secrets() -> None:
    """Read the secrets of the settings. A function is not called, because it may use the database."""
    if not conf.are_secrets_read_by_function():
        conf.webhook_secrets()


READERS: tuple[Callable[[], object], ...] = (
    conf.api_key,
    conf.named_keys,
    conf.key_function,
    conf.base_url,
    conf.proxy_url,
    conf.backend_path,
    conf.allow_test_key,
    conf.timeouts,
    conf.key_requests_per_minute,
    conf.dispatch,
    conf.celery_queue,
    conf.tasks_backend,
    conf.tasks_queue,
    conf.queue_deadline,
    conf.policy,
    conf.stranger_calls,
    conf.calls_per_day_total,
    conf.pumping_pause,
    conf.call_prices,
    conf.call_price_currency,
    conf.rates,
    conf.trusted_proxies,
    conf.rate_keys,
    conf.bot_check,
    conf.may_start_path,
    conf.phone_risk,
    conf.codes,
    conf.code_length,
    conf.code_tries,
    conf.wrong_codes,
    conf.code_ttl,
    conf.language,
    conf.default_region,
    conf.country_choice,
    conf.calling_rules,
    conf.purposes,
    conf.anonymous_purposes,
    conf.purposes_without_record,
    conf.one_account_per_number,
    conf.retention,
    conf.number_keys,
    conf.number_encryption,
    _written_secrets,
    conf.success_url,
    conf.site_name,
    conf.purpose_texts,
    conf.consent_text,
    conf.consent_version,
    conf.submit_last_digit,
    conf.alternative_url,
    conf.login_alternative_url,
    conf.login_sign_up_url,
    conf.login_purposes,
    conf.may_log_in,
    conf.login_response,
    conf.reviewer_numbers,
    conf.reviewer_numbers_in_production,
    conf.reviewer_secret_code,
    conf.reviewer_logins_per_day,
    conf.telemetry,
    conf.trace_headers,
)


def check_types() -> list[CheckMessage]:
    """Return an error for each setting that ``conf`` rejects. The message omits the value, which may be a secret."""
    if not isinstance(getattr(settings, "TELROI", {}), dict):
        return [
            Error("settings.TELROI is not a dict.", hint='Set it to a dict: TELROI = {"API_KEY": …}.', id="telroi.E001")
        ]
    return list(_type_errors())


def check_unknown_keys() -> Iterator[CheckMessage]:
    """Yield a warning for each key that is not a setting. Most are misspelt."""
    site = getattr(settings, "TELROI", {})
    # With a misspelt key the default applies, and nothing else would show it.
    for key in site.keys() - conf.DEFAULTS.keys() if isinstance(site, dict) else ():
        hint = values.hint_for_unknown(key)
        yield checks.Warning(f'TELROI["{key}"] is not a setting.', hint=hint, id="telroi.W001")


def _type_errors() -> Iterator[CheckMessage]:
    reported: set[str] = set()  # several functions read the names of keys
    for read in READERS:
        try:
            read()
        except ImproperlyConfigured as error:
            if str(error) in reported:
                continue
            reported.add(str(error))
            yield Error(
                str(error),
                hint="The settings page of the documentation lists the type of each setting.",
                id="telroi.E002",
            )
