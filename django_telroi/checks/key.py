"""The key: there, whole, and of the right kind for this site."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.backends import uses_telroi
from django_telroi.client.origin import read_base_url

# Not its length: that varies.
KEY = re.compile(r"tlr_(live|test)_[A-Za-z0-9]+")
TEST_KEY_PREFIX = "tlr_test_"
LIVE_KEY_PREFIX = "tlr_live_"


def unfit_key() -> Iterator[CheckMessage]:
    """What is wrong with the key, where calls go out with one."""
    if not uses_telroi():
        return
    key = conf.api_key()
    if not key:
        yield _no_key()
    elif not KEY.fullmatch(key):
        yield Error(
            "The API key is not one of Telroi's: tlr_live_ or tlr_test_, then letters and digits.",
            hint="Copy it again, whole and without spaces or a line break.",
            id="telroi.E008",
        )
    elif key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key():
        yield Error(
            "This is a test key. With it no phone rings, and the code 000000 verifies any number.",
            hint="Use a live key, or set ALLOW_TEST_KEY where nothing depends on a verified number.",
            id="telroi.E005",
        )
    elif key.startswith(LIVE_KEY_PREFIX) and settings.DEBUG and not _is_simulated():
        yield checks.Warning(
            "A live key rings real phones and bills your wallet, and DEBUG is on.",
            hint="Use a tlr_test_ key or none at all while you develop.",
            id="telroi.W003",
        )


def _is_simulated() -> bool:
    try:
        return read_base_url(conf.base_url())[0].is_loopback
    except ValueError:
        return False


def _no_key() -> CheckMessage:
    return checks.Warning(
        "There is no API key: nobody will be called.",
        hint='Set TELROI["API_KEY"] or the environment variable TELROI_API_KEY.',
        id="telroi.W002",
    )
