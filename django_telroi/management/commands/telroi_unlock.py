"""``manage.py telroi_unlock``: end the wait or lock that follows from wrong codes, of a number or of a user."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.errors import ChangedMeanwhile, InvalidNumber, Unavailable, UnstorableText
from django_telroi.management.option_types import reason
from django_telroi.management.output import PrintableCommand

ACTOR = "telroi_unlock"


class Command(PrintableCommand):
    help = "Reset the wrong codes of a number or of a user, and end the wait or lock that follows from them."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--number", help="the number; without +, DEFAULT_REGION applies")
        whose.add_argument("--user", help="the name that the user logs in with")
        parser.add_argument(
            "--reason", required=True, type=reason, help="why, for colleagues; phone numbers in it are masked"
        )
        parser.add_argument("--actor", default=ACTOR, help="your name, for the history (default: %(default)s)")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._reset(options)
        except InvalidNumber:
            raise CommandError("This is not a phone number. Type it with + and the country code.") from None
        except (ChangedMeanwhile, UnstorableText) as error:
            raise CommandError(str(error)) from None
        except Unavailable:
            raise CommandError("The database does not answer. Run the command again.") from None

    @sensitive_variables()
    def _reset(self, options: dict[str, Any]) -> None:
        why = {"reason": options["reason"], "actor": options["actor"]}
        if options["number"] is not None:
            row = services.reset_wrong_codes(options["number"], **why)
            self.stdout.write(
                "The wrong codes of the number are reset." if row.was_changed else "This number has no wrong codes."
            )
            return
        users = get_user_model()
        user = users._default_manager.filter(**{users.USERNAME_FIELD: options["user"]}).first()
        if user is None:
            raise CommandError("There is no user with this name.")
        if not services.reset_user_wrong_codes(user, **why):
            self.stdout.write("This user has no wrong codes.")
            return
        self.stdout.write("The wrong codes of the user are reset.")
