"""The names of outcomes, refusals, alerts and pauses in the overview."""

from __future__ import annotations

from django.utils.translation import gettext_lazy, pgettext_lazy

from django_telroi.services.shared.site_control import PauseReason
from django_telroi.services.statistics.periods import Outcome

OUTCOME_NAMES = {
    Outcome.VERIFIED: gettext_lazy("verified"),
    Outcome.NOT_VERIFIED: gettext_lazy("not verified"),
    Outcome.FAILED: gettext_lazy("failed"),
    Outcome.UNKNOWN: gettext_lazy("outcome unknown"),
    Outcome.OPEN: gettext_lazy("still open"),
    Outcome.TEST_KEY: gettext_lazy("with a test key"),
}
RARE_OUTCOMES = frozenset({Outcome.OPEN, Outcome.TEST_KEY})
REFUSAL_NAMES = {
    "invalid_number": gettext_lazy("invalid number"),
    "not_callable": gettext_lazy("number not callable, or blocked"),
    "vetoed": gettext_lazy("rejected by MAY_START or PHONE_RISK (the log has the reasons)"),
    "destination_blocked": pgettext_lazy("reason of a rejection", "prefix or region blocked in the admin, or paused"),
    "region_not_allowed": gettext_lazy("region not allowed"),
    "invalid_purpose": gettext_lazy("invalid purpose"),
    "cooldown": gettext_lazy("cooldown of the number"),
    "hourly_limit": gettext_lazy("hourly limit of the number"),
    "daily_limit": gettext_lazy("daily limit of the number"),
    "held": gettext_lazy("number held by the provider"),
    "destination_paused": pgettext_lazy("reason of a rejection", "prefix or region paused"),
    "consent_required": pgettext_lazy("reason of a rejection", "current text of consent not shown"),
    "bot_check_failed": pgettext_lazy("reason of a rejection", "bot check not passed (BOT_CHECK)"),
    "too_many_requests": gettext_lazy("rate limit of an IP address or a user"),
    "too_many_wrong_codes": gettext_lazy("too many wrong codes in a row"),
    "site_limit": gettext_lazy("daily limit of the site"),
    "calls_stopped": gettext_lazy("all calls stopped"),
    "misconfigured": gettext_lazy("key rejected by the provider"),
    "unavailable": gettext_lazy("provider unavailable"),
}
ALERT_NAMES = {
    "misconfigured": gettext_lazy(
        "The provider rejected the key or its URL, or the backend cannot be created. Check the settings of the backend."
    ),
    "insufficient_funds": gettext_lazy("The account at the provider is empty. Top it up."),
    "key_limited": gettext_lazy("The key sent more requests than the provider allows."),
    "codes_refused": gettext_lazy("The provider rejects this site's codes. For an hour it makes and checks its own."),
    "pumping": gettext_lazy("Many calls to one prefix or region, but hardly any verified. Consider blocking it."),
    "proxies_undecided": gettext_lazy("Requests come through a proxy, but TRUSTED_PROXIES is not set."),
    "waiting": gettext_lazy("Calls wait too long in the queue. Check the workers."),
    "reviewer_number": pgettext_lazy(
        "alert",
        "A number of an app reviewer was used. It logs in with the same code each time (REVIEWER_SECRET_NUMBERS).",
    ),
}
PAUSE_NAMES = {
    PauseReason.MISCONFIGURED: gettext_lazy("the provider rejected the key"),
    PauseReason.KEY_LIMITED: gettext_lazy("the key is over its limit"),
}
