"""The points of a check at which its process kills itself. They wrap functions of the package from outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from django_telroi import conf
from tests.chaos.points import after, before

DIES_AT = "X-Dies-At"
"""The header of a request whose process must be killed."""
TOLD = "TELROI_TEST_TOLD"
"""The file with a line for each ``phone_verified``, in the environment of the server."""
SERVICES, PAGE, API = "services", "page", "api"
FACES = (SERVICES, PAGE, API)


@dataclass(frozen=True)
class CodePoint:
    """Before a function, or after it. ``owner`` is the module or class that the function is looked up in."""

    owner: str
    name: str
    is_after: bool = False
    faces: tuple[str, ...] = FACES
    is_anonymous: bool = False


ANSWER, SITE_JUDGE = "django_telroi.services.codes.telroi_answer", "django_telroi.services.codes.check"
SUCCESS, TRIES = "django_telroi.services.codes.success", "django_telroi.services.attempts.telroi_tries"
TELROI_JUDGE = "django_telroi.services.codes.telroi_judge"
SESSION = "django.contrib.sessions.backends.db:SessionStore"

AFTER_THE_SUCCESS = {
    "after the signal": CodePoint(SUCCESS, "signal_verified", is_after=True),
    "before the session's new key": CodePoint(SESSION, "create", faces=(PAGE,), is_anonymous=True),
    "after the session's new key": CodePoint(SESSION, "create", is_after=True, faces=(PAGE,), is_anonymous=True),
    "before the answer leaves": CodePoint("tests.chaos.code_site", "respond", is_after=True, faces=(PAGE, API)),
}

CODE_POINTS = {
    "site": {
        "before the comparison": CodePoint(SITE_JUDGE, "matches"),
        "after the comparison": CodePoint(SITE_JUDGE, "matches", is_after=True),
        "before the success is written": CodePoint(SITE_JUDGE, "write_verified"),
        "after the UPDATE": CodePoint(SUCCESS, "transition", is_after=True),
        "after the commit": CodePoint(SITE_JUDGE, "write_verified", is_after=True),
        **AFTER_THE_SUCCESS,
    },
    "telroi": {
        "before the try is reserved": CodePoint(TRIES, "_reserve"),
        "after the try is reserved": CodePoint(TRIES, "_reserve", is_after=True),
        "before Telroi is asked": CodePoint(TELROI_JUDGE, "_ask_telroi"),
        "while Telroi judges": CodePoint("http.client:HTTPConnection", "getresponse"),
        "after Telroi has judged": CodePoint(TELROI_JUDGE, "_ask_telroi", is_after=True),
        "before the success is written": CodePoint(ANSWER, "write_verified"),
        "after the UPDATE": CodePoint(SUCCESS, "transition", is_after=True),
        "after the commit": CodePoint(ANSWER, "write_verified", is_after=True),
        **AFTER_THE_SUCCESS,
    },
}
"""The points of each value of ``CODES``. ``is_anonymous``: the point is never reached by a person who is logged in,
because their session keeps its key. The process dies within the transaction after the UPDATE if the attempt has a user.
"""


def arm(name: str) -> None:
    """Kill this process when it reaches the point with this name of the site's ``CODES``."""
    point = CODE_POINTS[conf.codes()][name]
    put_around = after if point.is_after else before
    put_around(resolve_name(point.owner), point.name, partial(os.kill, os.getpid(), signal.SIGKILL))


def receiver(told: Path) -> Callable[..., None]:
    """Write a line into that file, in the process that sends the signal."""

    def write_down(attempt: Any, **_: Any) -> None:
        with told.open("a") as lines:
            lines.write(f"{attempt.uuid}\n")

    return write_down
