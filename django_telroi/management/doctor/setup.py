"""The settings, as the system checks see them, those for a deployment too."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR, run_checks

from django_telroi.management.doctor.findings import Finding, bad, good, note

SUBJECT = "settings"


def examine_settings() -> Iterator[Finding]:
    """Our own messages; what is silenced stays silent."""
    messages = [
        message
        for message in run_checks(include_deployment_checks=True)
        if str(message.id).startswith("telroi.") and not message.is_silenced()
    ]
    for message in messages:
        found = bad if message.level >= ERROR else note
        yield found(SUBJECT, message.msg, f"{message.hint} ({message.id})", id=message.id)
    if not messages:
        yield good(SUBJECT, "The system checks find nothing.")
