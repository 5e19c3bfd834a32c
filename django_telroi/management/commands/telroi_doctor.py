"""``manage.py telroi_doctor``: is this site able to call?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi.management.doctor import examine
from django_telroi.management.doctor.findings import Finding, Level
from django_telroi.management.output import PrintableCommand


class Command(PrintableCommand):
    help = (
        "Look at all that the system checks cannot see: Telroi and the key, clock, cache, broker and rows. "
        "Rings nobody and prints no secret. Exit code 1 if something is bad."
    )
    requires_system_checks: list[str] = []  # what is wrong with the settings is a finding like any other

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for machines: one object, with every figure")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(examine())
        wrong = [finding for finding in found if finding.level == Level.BAD]
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not wrong, "findings": [asdict(each) for each in found]}, indent=2))
        else:
            self._tell(found)
        if wrong:
            raise CommandError(f"{len(wrong)} of {len(found)} findings are bad.", returncode=1)

    def _tell(self, found: Sequence[Finding]) -> None:
        paint = {Level.GOOD: self.style.SUCCESS, Level.NOTE: self.style.WARNING, Level.BAD: self.style.ERROR}
        for finding in found:
            self.stdout.write(f"{paint[finding.level](f'{finding.level:<4}')}  {finding.subject:<8}  {finding.says}")
            if finding.cure:
                self.stdout.write(f"{'':<16}{finding.cure}")
