"""``manage.py telroi_call NUMBER``: one complete verification, from a terminal."""

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

PENDING = UNFINISHED - CHECKABLE  # the call is not placed yet, so no code can be checked
TRY_AGAIN = {CheckOutcome.WRONG_CODE, CheckOutcome.INVALID_CODE, CheckOutcome.UNAVAILABLE, CheckOutcome.IN_PROGRESS}


class Command(PrintableCommand):
    help = "Place a call and check the code that you type. With a live key the phone rings, and the call is billed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="the number; without +, DEFAULT_REGION applies")
        parser.add_argument("--language", help="language of the spoken prompt, a BCP 47 tag")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            attempt = start_verification(options["number"], language=options["language"])
        except VerificationRefused as refusal:
            raise CommandError(f"{sentence(refusal.code, retry_after=refusal.retry_after)} ({refusal.code})") from None
        try:
            self._take_codes(self._wait_for_call(attempt.uuid))
        except (EOFError, KeyboardInterrupt):
            self._cancel(attempt.uuid)
        except Unavailable:
            raise CommandError("The database does not answer. The phone may still ring.") from None

    def _cancel(self, attempt_uuid: UUID) -> NoReturn:
        with suppress(Unavailable):  # the attempt expires with its code anyway
            cancel_verification(attempt_uuid)
        raise CommandError("Canceled.") from None

    def _wait_for_call(self, attempt_uuid: UUID) -> AttemptStatus:
        """Poll once a second until codes can be typed. Raises CommandError if the attempt ends before."""
        status = follow(attempt_uuid)
        self.stdout.write(f"Calling {status.attempt.masked_number} ...")
        while status.attempt.status in PENDING:
            time.sleep(1)
            status = follow(attempt_uuid)
        if status.attempt.status not in CHECKABLE:
            error = status.attempt.error_code or status.attempt.status
            raise CommandError(f"{status_sentence(status)} ({error})")
        self.stdout.write(status_sentence(status))
        if status.attempt.livemode is False:
            self.stdout.write("This is a test key: no phone rings. Type 000000.")
        return status

    @sensitive_variables()
    def _take_codes(self, status: AttemptStatus) -> None:
        """Ask for codes until one is right. Raises CommandError if no more code can be tried."""
        while True:
            result = check_code(status.attempt.uuid, input("Code: "))
            words = result_sentence(result)
            if result.outcome == CheckOutcome.VERIFIED:
                self.stdout.write(self.style.SUCCESS(words))
                return
            if result.outcome not in TRY_AGAIN:
                raise CommandError(words)
            self.stdout.write(words)
