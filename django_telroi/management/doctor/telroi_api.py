"""The examination of the backend: Telroi's API and the key, or the constructor of another backend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django_telroi import conf
from django_telroi.backends import get_backend, uses_telroi
from django_telroi.client.origin import read_base_url
from django_telroi.client.replies import Probe
from django_telroi.errors import ApiRefused, ApiUnreachable, Misconfigured
from django_telroi.management.doctor.findings import Finding, bad, good, note

if TYPE_CHECKING:
    from django_telroi.client import TelroiClient

SUBJECT = "telroi"
BACKEND = "backend"
TEST_KEY_PREFIX = "tlr_test_"
# Codes are valid for minutes, so some seconds do no harm. The header Date has a resolution of one second.
FARTHEST_CLOCK_SECONDS = 5
LIVE_KEY = (
    "The key is a live key: phones ring, and calls are billed. "
    "The exception is a workspace in sandbox mode, which only Telroi's dashboard shows."
)
SIMULATED = "BASE_URL is this machine, so a simulator of Telroi answers: no phone rings."
NO_SUCH_ROUTE = (302, 404, 405)
SCOPE_UNKNOWN = "It is unknown whether the key has the scope otp:write"


def examine_backend() -> Iterator[Finding]:
    """Yield the findings about the backend. Only Telroi's API is requested, because the others are not known here."""
    if uses_telroi():
        yield from examine_telroi()
        return
    path = conf.backend_path()
    try:
        rings = get_backend().rings
    except Misconfigured:
        cure = "The path is wrong, or the constructor raises an exception. The log has the error."
        yield bad(BACKEND, f"{path} cannot be created, so no calls are placed.", cure, backend=path)
        return
    if rings:
        says = f"{path} places the calls, and it can be created. No call was placed."
        yield good(BACKEND, says, backend=path)
    else:
        yield note(BACKEND, f"{path} places no calls: no phone rings.", backend=path)


def examine_telroi() -> Iterator[Finding]:
    """Request a list and check an empty code with each key. Neither is billed, and the second one shows the scope."""
    if not conf.has_key():
        yield bad(
            SUBJECT, "The API key is not set.", 'Set TELROI["API_KEY"] or the environment variable TELROI_API_KEY.'
        )
        return
    yield from _names()
    clock: Finding | None = None
    for name in conf.key_names():
        for place, key in enumerate(conf.keys_named(name)):
            # The system checks do not see the keys of a function.
            if problems := list(_problems(key, name)):
                yield from (_of_key(problem, name, is_old=place > 0) for problem in problems)
                continue
            # The clock of Telroi is the same for all keys, so it is one finding.
            for finding in _examine_key(key):
                if "seconds_apart" in finding.figures:
                    clock = finding
                else:
                    yield _of_key(finding, name, is_old=place > 0)
    if clock:
        yield clock


def _names() -> Iterator[Finding]:
    """Yield what is wrong with the names of keys that a function returned. No call can be placed with such a name."""
    if not conf.are_keys_read_by_function():
        return
    names = [name for name in conf.key_names() if conf.keys_named(name)]
    if conf.has_invalid_names():
        says = "The function in API_KEYS returns a name that is invalid. No call can be placed with its key."
        yield bad(SUBJECT, says, 'A name has 1 to 64 letters, digits, ".", "_" or "-".')
    if not names:
        yield bad(SUBJECT, "The function in API_KEYS returns no key, so no call is placed.", "Return a key for a name.")
    elif conf.key_function() is None and conf.DEFAULT_KEY not in names:
        says = 'API_KEYS has no key "default", and no function in API_KEY names another one: every start is rejected.'
        yield bad(SUBJECT, says, 'Name one of the keys "default", or set API_KEY to a function that returns a name.')
    keys = Counter(key for name in names for key in {*conf.keys_named(name)})
    if any(count > 1 for count in keys.values()):
        says = "Two names in API_KEYS have the same key."
        yield bad(SUBJECT, says, "A name stands for one Telroi workspace. Use one name for each workspace.")


def _problems(key: str, name: str) -> Iterator[Finding]:
    """Yield why no call is placed with this key of a function, without a request to Telroi."""
    if not conf.are_keys_read_by_function():
        return
    if not conf.KEY_FORMAT.fullmatch(key):
        says = "The key is invalid. A key of Telroi is tlr_live_ or tlr_test_, followed by letters and digits."
        yield bad(SUBJECT, says, "Copy it again, without spaces or a line break.")
    elif key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key(name):
        says = "The key is a test key, but ALLOW_TEST_KEY is off, so no call is placed."
        yield bad(SUBJECT, says, f'Use a live key, or set ALLOW_TEST_KEY to ["{name}"].')


def _of_key(finding: Finding, name: str, *, is_old: bool) -> Finding:
    """Return the finding with the name of the key. A site with one key has none."""
    if not conf.has_named_keys():
        return finding
    about = f"{name}, old key" if is_old else name
    return replace(finding, says=f"{about}: {finding.says}", figures={**finding.figures, "key": name})


def _examine_key(key: str) -> Iterator[Finding]:
    from django_telroi.client import TelroiClient  # not above: the doctor also runs without requests

    timeouts = conf.timeouts()
    with TelroiClient(
        key,
        base_url=conf.base_url(),
        connect_timeout=timeouts.connect,
        read_timeout=timeouts.read,
        total_timeout=timeouts.total,
        proxy_url=conf.proxy_url(),
    ) as client:
        probe = client.probe()
        answered_at = datetime.now(UTC)
        yield _key(probe)
        # Without a valid key, Telroi answers 401 to the other request too, which shows nothing about the scope.
        if _is_accepted(probe):
            yield _mode(key)
            yield _scope(client)
    if probe.server_time:
        yield _clock(probe, probe.server_time, answered_at=answered_at)


def _is_accepted(probe: Probe) -> bool:
    """Return True if Telroi knows the key. A 403 means that the key is valid but may not read the list."""
    return probe.error is None or (isinstance(probe.error, ApiRefused) and probe.error.status == 403)


def _key(probe: Probe) -> Finding:
    milliseconds = round(probe.seconds * 1000)
    if _is_accepted(probe):
        return good(SUBJECT, f"Telroi accepts the key and answers in {milliseconds} ms.", milliseconds=milliseconds)
    if isinstance(probe.error, ApiUnreachable):
        return bad(SUBJECT, f"Telroi cannot be reached: {probe.error}.", "Check BASE_URL, PROXY_URL and the firewall.")
    if isinstance(probe.error, ApiRefused) and probe.error.status == 401:
        return bad(SUBJECT, "The key is unknown to Telroi or revoked.", "Create a new key in Telroi's dashboard.")
    if isinstance(probe.error, ApiRefused) and probe.error.status == 429:
        return note(SUBJECT, "The key has reached its limit of requests per minute.", "Try again in a minute.")
    if isinstance(probe.error, ApiRefused) and probe.error.status in NO_SUCH_ROUTE:
        says = f"BASE_URL is not the URL of Telroi's API (status {probe.error.status})."
        return bad(SUBJECT, says, "Remove BASE_URL, or set it to https://app.telroi.ai, without a path.")
    return bad(
        SUBJECT, f"Telroi sent an unexpected response: {probe.error}.", "Try again. If it persists, check BASE_URL."
    )


def _is_on_this_machine() -> bool:
    return read_base_url(conf.base_url())[0].is_loopback


def _mode(key: str) -> Finding:
    if key.startswith(TEST_KEY_PREFIX):
        return note(
            SUBJECT, "The key is a test key: no phone rings, and the code 000000 verifies any number.", live=False
        )
    if _is_on_this_machine():
        return note(SUBJECT, SIMULATED, "For real calls, remove BASE_URL.", live=False)
    return good(SUBJECT, LIVE_KEY, live=True)


def _scope(client: TelroiClient) -> Finding:
    """Send a check without a code. Telroi checks the scope first, so 400 or 422 means that the key has the scope."""
    error = client.probe_check().error
    if isinstance(error, ApiRefused) and error.status == 403:
        return bad(
            SUBJECT,
            "The key lacks the scope otp:write.",
            "Add the scope in Telroi's dashboard, or create another key.",
        )
    if isinstance(error, ApiRefused) and error.status in (400, 422):
        return good(SUBJECT, "The key has the scope otp:write.", scope="otp:write")
    return note(SUBJECT, f"{SCOPE_UNKNOWN}: {error}." if error else f"{SCOPE_UNKNOWN}.")


def _clock(probe: Probe, server_time: datetime, *, answered_at: datetime) -> Finding:
    # Telroi wrote its time about half a round trip before its response arrived.
    distance = round((answered_at - server_time).total_seconds() - probe.seconds / 2)
    says = f"The clocks of this machine and of Telroi differ by {abs(distance)} s."
    if abs(distance) > FARTHEST_CLOCK_SECONDS:
        return note(SUBJECT, says, "Synchronize this machine's clock (NTP).", seconds_apart=distance)
    return good(SUBJECT, says, seconds_apart=distance)
