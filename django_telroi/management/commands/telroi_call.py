"""``manage.py telroi_call NUMBER``: the whole way once, from a terminal."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, NoReturn
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.views.decorators.debug import sensitive_variables

from django_telroi.domain.states import CHECKABLE, UNFINISHED
from django_telroi.errors import Unavailable, VerificationRefused
from django_telroi.management.output import PrintableCommand
from django_telroi.services import (
    AttemptStatus,
    CheckOutcome,
    cancel_verification,
    check_code,
    follow,
    start_verification,
)
from django_telroi.services.sentences import result_sentence, sentence, status_sentence

ON_ITS_WAY = UNFINISHED - CHECKABLE
TRY_AGAIN = {CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE, CheckOutcome.UNAVAILABLE, CheckOutcome.IN_PROGRESS}


class Command(PrintableCommand):
    help = "Place a call, as a person would get it, and take the code at the prompt. It rings, and it is billed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="as a person types it; DEFAULT_REGION counts")
        parser.add_argument("--language", help="of the spoken prompt, a BCP 47 tag")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            attempt = start_verification(options["number"], language=options["language"])
        except VerificationRefused as refusal:
            raise CommandError(f"{sentence(refusal.code, retry_after=refusal.retry_after)} ({refusal.code})") from None
        try:
            standing = self._wait_for_call(attempt.uuid)
            self._take_codes(standing)
        except (EOFError, KeyboardInterrupt):
            self._call_off(attempt.uuid)
        except Unavailable:
            raise CommandError("The database does not answer. The phone may ring all the same.") from None

    def _call_off(self, attempt_uuid: UUID) -> NoReturn:
        with suppress(Unavailable):  # it ends by itself when its code expires
            cancel_verification(attempt_uuid)
        raise CommandError("Called off.") from None

    def _wait_for_call(self, attempt_uuid: UUID) -> AttemptStatus:
        standing = follow(attempt_uuid)
        self.stdout.write(f"Calling {standing.attempt.masked_number} ...")
        while standing.attempt.status in ON_ITS_WAY:
            time.sleep(1)
            standing = follow(attempt_uuid)
        if standing.attempt.status not in CHECKABLE:
            error = standing.attempt.error_code or standing.attempt.status
            raise CommandError(f"{status_sentence(standing)} ({error})")
        self.stdout.write(status_sentence(standing))
        if standing.attempt.livemode is False:
            self.stdout.write("This is a test key: no phone rings. Type 000000.")
        return standing

    @sensitive_variables()
    def _take_codes(self, standing: AttemptStatus) -> None:
        while True:
            result = check_code(standing.attempt.uuid, input("Code: "))
            words = result_sentence(result)
            if result.outcome == CheckOutcome.VERIFIED:
                self.stdout.write(self.style.SUCCESS(words))
                return
            if result.outcome not in TRY_AGAIN:
                raise CommandError(words)
            self.stdout.write(words)
