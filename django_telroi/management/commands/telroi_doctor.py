"""``manage.py telroi_doctor``: test whether this site can place calls."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi.management.doctor import examine
from django_telroi.management.doctor.findings import Finding, Level
from django_telroi.management.output import PrintableCommand


class Command(PrintableCommand):
    needs_tables = False
    help = (
        "Test what the system checks cannot test: Telroi and the key, the clock, the cache, the broker and the rows. "
        "Places no call and prints no secret. The exit code is 1 if a finding is bad."
    )
    requires_system_checks: list[str] = []  # their messages are findings too, and must not stop the command

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object with all figures")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = list(examine())
        bad = [finding for finding in findings if finding.level == Level.BAD]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not bad, "findings": [each.as_json() for each in findings]}, indent=2))
        else:
            self._print(findings)
        if bad:
            verb = "is" if len(bad) == 1 else "are"
            raise CommandError(f"{len(bad)} of {len(findings)} findings {verb} bad.", returncode=1)

    def _print(self, findings: Sequence[Finding]) -> None:
        styles = {Level.GOOD: self.style.SUCCESS, Level.NOTE: self.style.WARNING, Level.BAD: self.style.ERROR}
        for finding in findings:
            self.stdout.write(f"{styles[finding.level](f'{finding.level:<4}')}  {finding.subject:<8}  {finding.says}")
            if finding.cure:
                self.stdout.write(f"{'':<16}{finding.cure}")
