"""Checks of the API key: set, well formed, and live or test as the site needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.backends import uses_telroi
from django_telroi.client.origin import read_base_url

# The length is not checked, because it varies.
KEY = re.compile(r"tlr_(live|test)_[A-Za-z0-9]+")
TEST_KEY_PREFIX = "tlr_test_"
LIVE_KEY_PREFIX = "tlr_live_"


def check_key() -> Iterator[CheckMessage]:
    """Yield at most one message about the API key, if the backend is Telroi's."""
    if not uses_telroi():
        return
    # The messages never contain the key, because their output is kept in logs of deployments.
    key = conf.api_key()
    if not key:
        yield checks.Warning(
            "The API key is not set, so no calls are placed.",
            hint='Set TELROI["API_KEY"] or the environment variable TELROI_API_KEY.',
            id="telroi.W002",
        )
    elif not KEY.fullmatch(key):
        yield Error(
            "The API key is invalid. A key of Telroi is tlr_live_ or tlr_test_, followed by letters and digits.",
            hint="Copy it again, without spaces or a line break.",
            id="telroi.E008",
        )
    elif key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key():
        yield Error(
            "The API key is a test key, but ALLOW_TEST_KEY is off. With a test key no phone rings, and the code 000000 "
            "verifies any number.",
            hint='Use a live key. Or set TELROI["ALLOW_TEST_KEY"] = True if nothing depends on a verified number.',
            id="telroi.E005",
        )
    elif key.startswith(LIVE_KEY_PREFIX) and settings.DEBUG and not _is_simulated():
        yield checks.Warning(
            "The API key is a live key, but DEBUG is on. With a live key phones ring and every call is billed.",
            hint="Use a test key (tlr_test_), the simulator or no key for development.",
            id="telroi.W003",
        )


def _is_simulated() -> bool:
    # check_calls reports an invalid BASE_URL.
    try:
        return read_base_url(conf.base_url())[0].is_loopback
    except ValueError:
        return False
