"""What Telroi does although its documentation says otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quirks:
    """Each is on, as measured, until a test takes it away; then the simulator does what the documentation says.

    * ``html_errors``: an error is a 302 to ``/login`` unless the request asks for JSON.
    * ``wrapped_errors``: code and message are at ``data.error``, ``error`` is ``true``.
    * ``created_is_200``: a created OTP is 200 instead of 201.
    * ``validation_is_400``: a bad field is 400 instead of 422.
    * ``login_redirects``: a wrong path or method is a 302 instead of 404 or 405.
    * ``hidden_waits``: a 429 has no ``Retry-After``; the seconds are in its message only.
    * ``flat_waits``: the hourly limit says 3600 and the daily one 86400, however soon a call is free.
    * ``failures_count``: a call that could not be placed uses up the cooldown and the quotas.
    * ``loose_numbers``: any string of three characters is a number.
    * ``unverifiable_test_ids``: verify refuses the ids that a test key is given.
    * ``newest_by_number``: a verify by number takes the newest OTP whatever its state, not the newest still open.
    """

    html_errors: bool = True
    wrapped_errors: bool = True
    created_is_200: bool = True
    validation_is_400: bool = True
    login_redirects: bool = True
    hidden_waits: bool = True
    flat_waits: bool = True
    failures_count: bool = True
    loose_numbers: bool = True
    unverifiable_test_ids: bool = True
    newest_by_number: bool = True
