"""The examination of the backend: Telroi's API and the key, or the constructor of another backend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured

from django_telroi import conf
from django_telroi.backends import get_backend, uses_telroi
from django_telroi.client.origin import read_base_url
from django_telroi.client.replies import Probe
from django_telroi.conf.key_problems import KeyProblem, problems_of_keys, problems_of_names, problems_of_secrets
from django_telroi.errors import ApiRefused, ApiUnreachable, Misconfigured
from django_telroi.management.doctor.findings import Finding, Level, bad, good, note
from django_telroi.redaction import kind_of

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
SERVER_ERROR = 500
"""The lowest status of a server that cannot answer, or of a proxy in front of it."""
RUNBOOK = 'Follow "Runbook: Telroi is down" in the documentation (docs/howto/telroi_down.rst).'
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
    keys = {name: _keys_or_none(name) for name in conf.key_names()}
    yield from _names(keys)
    yield from _secrets(keys)
    clocks: list[Finding] = []
    for name, of_name in keys.items():
        if of_name is None:
            says = "The value is neither a key nor a list of two keys, so no call is placed with it."
            yield _of_key(bad(SUBJECT, says, "Set it to a key, or to [new key, old key]."), name, is_old=False)
        for place, key in enumerate(of_name or ()):
            problem = _problem_of(key, name)
            for finding in [problem] if problem else _examine_key(key):
                if "seconds_apart" in finding.figures:
                    clocks.append(finding)
                else:
                    yield _of_key(finding, name, is_old=place > 0)
    # The clock of Telroi is the same for all keys, so it is one finding.
    yield from clocks[-1:]


def _keys_or_none(name: str) -> tuple[str, ...] | None:
    """Return the keys of a name, or None if its value has a wrong type. One wrong value must not hide the others."""
    try:
        return conf.keys_named(name)
    except ImproperlyConfigured:
        return None


def _names(keys: Mapping[str, Collection[str] | None]) -> Iterator[Finding]:
    """Yield what is wrong with the names and keys that a function returned. System checks do not call it."""
    if not conf.has_named_keys():
        return
    if conf.has_invalid_names():
        says = "API_KEYS has a name that is invalid. No call can be placed with its key."
        cure = 'A name has 1 to 64 letters, digits, ".", "_" or "-", and begins with a letter, a digit or "_".'
        yield bad(SUBJECT, says, f"{cure} Do not use a key as a name.")
    if conf.are_keys_read_by_function():
        if not any(keys.values()):
            says = "The function in API_KEYS returns no key, so no call is placed."
            yield bad(SUBJECT, says, "Return a key for a name.")
        elif conf.key_function() is None and conf.DEFAULT_KEY not in keys:
            says = (
                'API_KEYS has no key "default", and no function in API_KEY names another one: every start is rejected.'
            )
            cure = 'Name one of the keys "default", or set API_KEY to a function that returns a name.'
            yield bad(SUBJECT, says, cure)
        yield from map(_found, problems_of_names("ALLOW_TEST_KEY", conf.names_with_test_key(), _loaded(keys)))
    readable = {name: of_name for name, of_name in keys.items() if of_name is not None}
    for problem in problems_of_keys(readable):
        # Without its key, each call with the name is rejected.
        yield replace(_found(problem), level=Level.BAD)


def _secrets(keys: Mapping[str, Collection[str] | None]) -> Iterator[Finding]:
    """Yield what is wrong with the webhook secrets, if a function returned them or the keys."""
    if not (conf.are_keys_read_by_function() or conf.are_secrets_read_by_function()):
        return
    try:
        names, secrets = conf.names_with_secrets(), conf.webhook_secrets_by_key()
    except Exception as error:  # noqa: BLE001 - a function of the site may raise anything
        says = f"WEBHOOK_SECRETS cannot be read: {kind_of(error)}. Every webhook gets a 503."
        yield bad(SUBJECT, says, "Mend the function, or its value.")
        return
    yield from map(_found, problems_of_names("WEBHOOK_SECRETS", names or (), _loaded(keys)))
    yield from map(_found, problems_of_secrets(secrets, _loaded(keys), are_named=names is not None))


def _loaded(keys: Mapping[str, Collection[str] | None]) -> Mapping[str, Collection[str]]:
    return {name: of_name or () for name, of_name in keys.items()}


def _found(problem: KeyProblem) -> Finding:
    found = bad if problem.is_error else note
    return found(SUBJECT, problem.says, f"{problem.hint} ({problem.id})", id=problem.id)


def _problem_of(key: str, name: str) -> Finding | None:
    """Return why no call is placed with this key, without a request to Telroi. None if nothing is known."""
    if not conf.KEY_FORMAT.fullmatch(key):
        says = "The key is invalid. A key of Telroi is tlr_live_ or tlr_test_, followed by letters and digits."
        return bad(SUBJECT, says, "Copy it again, without spaces or a line break.")
    # About a key that is written in the settings, a system check says so.
    if conf.are_keys_read_by_function() and key.startswith(TEST_KEY_PREFIX) and not conf.allow_test_key(name):
        says = "The key is a test key, but ALLOW_TEST_KEY is off, so no call is placed."
        return bad(SUBJECT, says, f'Use a live key, or set ALLOW_TEST_KEY to ["{name}"].')
    return None


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
    if isinstance(probe.error, ApiRefused) and probe.error.status >= SERVER_ERROR:
        return bad(SUBJECT, f"Telroi is down: {probe.error}.", RUNBOOK)
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
    if isinstance(error, ApiRefused) and error.is_invalid:
        return good(SUBJECT, "The key has the scope otp:write.", scope="otp:write")
    return note(SUBJECT, f"{SCOPE_UNKNOWN}: {error}." if error else f"{SCOPE_UNKNOWN}.")


def _clock(probe: Probe, server_time: datetime, *, answered_at: datetime) -> Finding:
    # Telroi wrote its time about half a round trip before its response arrived.
    distance = round((answered_at - server_time).total_seconds() - probe.seconds / 2)
    says = f"The clocks of this machine and of Telroi differ by {abs(distance)} s."
    if abs(distance) > FARTHEST_CLOCK_SECONDS:
        return note(SUBJECT, says, "Synchronize this machine's clock (NTP).", seconds_apart=distance)
    return good(SUBJECT, says, seconds_apart=distance)
