"""``manage.py telroi_stop``: stop all calls of the site (the kill switch), or resume them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from django_telroi import services
from django_telroi.errors import Unavailable, UnstorableText
from django_telroi.management.option_types import reason
from django_telroi.management.output import PrintableCommand

ACTOR = "telroi_stop"


class Command(PrintableCommand):
    help = (
        "Stop all calls of the site, or resume them. Codes of earlier calls are still checked. "
        "The exit code is 1 if the calls are stopped already, or running already."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument(
            "--reason", type=reason, metavar="TEXT", help="stop all calls; the text tells colleagues why"
        )
        choice.add_argument("--resume", action="store_true", help="allow calls again")
        parser.add_argument("--actor", default=ACTOR, help="your name, for the history (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["resume"]:
                self._resume(options["actor"])
            else:
                self._stop(options["reason"], options["actor"])
        except UnstorableText as error:
            raise CommandError(str(error)) from None
        except Unavailable:
            raise CommandError("The database does not answer. Run the command again.") from None

    def _stop(self, reason: str, actor: str) -> None:
        if services.stop_calls(reason=reason, actor=actor):
            self.stdout.write("All calls are stopped. To resume them: manage.py telroi_stop --resume")
            return
        first = services.call_control()
        if first.stopped_at is None:
            raise CommandError("Another process has just resumed the calls, so they are not stopped. Run it again.")
        since = f"{first.stopped_at:%Y-%m-%d %H:%M} UTC"
        raise CommandError(
            f"All calls are stopped already since {since}, by {first.stopped_by}: {first.stopped_reason}"
        )

    def _resume(self, actor: str) -> None:
        if not services.resume_calls(actor=actor):
            raise CommandError("Calls are not stopped.")
        self.stdout.write("Calls are placed again.")
