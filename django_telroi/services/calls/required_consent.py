"""The consent that a person gave with the button of a form, or a client of the API in their name."""

from __future__ import annotations

from django.utils.crypto import constant_time_compare

from django_telroi import conf
from django_telroi.domain.consent import Consent
from django_telroi.errors import ConsentRequired
from django_telroi.models import ConsentText
from django_telroi.services.calls.refusals import record_refusal
from django_telroi.services.shared.arguments import storable
from django_telroi.services.shared.transactions import write_alias


def current_consent() -> Consent | None:
    """Return the consent that a form must show now. None if ``CONSENT_TEXT`` or ``CONSENT_VERSION`` is not set."""
    version, text = conf.consent_version(), conf.consent_text()
    return Consent(version, text) if version and text else None


def consent_shown(digest: str) -> Consent | None:
    """Return the current consent if ``digest``, from the form, is that of its text. None on a site without one.

    Raises ConsentRequired if the form showed another text, or none.
    """
    consent = current_consent()
    return _accepted(consent, is_accepted=consent is not None and constant_time_compare(digest, consent.digest))


def consent_to_version(version: str) -> Consent | None:
    """Return the current consent if ``version``, from a client of the API, is its version. None on a site without one.

    Raises ConsentRequired if the client showed another version, or none.
    """
    consent = current_consent()
    return _accepted(consent, is_accepted=consent is not None and constant_time_compare(version, consent.version))


def save_text(consent: Consent, *, using: str) -> int:
    """Save the text if it is new, and return the primary key of its row."""
    row, _ = ConsentText.objects.using(using).get_or_create(
        sha256=consent.digest,
        # Replaced and not rejected: a text with an emoji must not stop all calls of a site whose tables are in utf8mb3.
        defaults={"version_name": storable(consent.version, using=using), "text": storable(consent.text, using=using)},
    )
    return int(row.pk)


def _accepted(consent: Consent | None, *, is_accepted: bool) -> Consent | None:
    if consent is None or is_accepted:
        return consent
    record_refusal(ConsentRequired(), None, using=write_alias())
    raise ConsentRequired
