"""The examination of the settings: all system checks of this app, those for production included."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR, run_checks

from django_telroi.management.doctor.findings import Finding, bad, good, note

SUBJECT = "settings"


def examine_settings() -> Iterator[Finding]:
    """Yield a finding for each message of this app's system checks that the site has not silenced."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=True)
        if str(message.id).startswith("telroi.") and not message.is_silenced()
    ]
    for message in messages:
        found = bad if message.level >= ERROR else note
        yield found(SUBJECT, message.msg, f"{message.hint} ({message.id})", id=message.id)
    if not messages:
        yield good(SUBJECT, "The system checks report no problems.")
