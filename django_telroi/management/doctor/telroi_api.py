"""Telroi: reached, and the key accepted. Or the site's own backend: made. Nobody is rung."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from django_telroi import conf
from django_telroi.backends import get_backend, uses_telroi
from django_telroi.client import TelroiClient
from django_telroi.client.replies import Probe
from django_telroi.errors import ApiError, ApiRefused, ApiUnreachable, Misconfigured
from django_telroi.management.doctor.findings import Finding, bad, good, note

SUBJECT = "telroi"
BACKEND = "backend"
TEST_KEY_PREFIX = "tlr_test_"
# Codes live for minutes and waits are counted in seconds; an answer's Date is exact to a second.
FARTHEST_CLOCK_SECONDS = 5
LIVE_KEY = (
    "It is a live key: phones ring, and calls are billed. "
    "Not if the workspace is in sandbox mode, which only Telroi's dashboard shows."
)
NO_SUCH_ROUTE = (302, 404, 405)


def look_at_backend() -> Iterator[Finding]:
    """Whoever places the calls. Only Telroi is asked over the network: of other providers nothing is known."""
    if uses_telroi():
        yield from examine_telroi()
        return
    path = conf.backend_path()
    try:
        rings = get_backend().rings
    except Misconfigured:
        cure = "Its constructor raises, or the path leads to no backend; the log says which."
        yield bad(BACKEND, f"{path} cannot be made, so nobody is called.", cure, backend=path)
        return
    if rings:
        says = f"Calls go out through {path}, which can be made. It was not asked for a call."
        yield good(BACKEND, says, backend=path)
    else:
        yield note(BACKEND, f"Calls go to {path}: no phone rings.", backend=path)


def examine_telroi() -> Iterator[Finding]:
    """Ask for a list, which costs nothing, and let an empty code be judged, which shows the scope and nothing else."""
    if not conf.api_key():
        yield bad(SUBJECT, "There is no API key.", 'Set TELROI["API_KEY"] or the environment variable TELROI_API_KEY.')
        return
    timeouts = conf.timeouts()
    with TelroiClient(
        conf.api_key(),
        base_url=conf.base_url(),
        connect_timeout=timeouts.connect,
        read_timeout=timeouts.read,
        total_timeout=timeouts.total,
        proxy_url=conf.proxy_url(),
    ) as client:
        probe = client.probe()
        answered_at = datetime.now(UTC)
        yield _key(probe)
        if _is_accepted(probe):
            yield _mode()
            yield _scope(client)
    if probe.server_time:
        yield _clock(probe, probe.server_time, answered_at=answered_at)


def _is_accepted(probe: Probe) -> bool:
    """A key that may not read the list is a key all the same."""
    return probe.error is None or (isinstance(probe.error, ApiRefused) and probe.error.status == 403)


def _key(probe: Probe) -> Finding:
    milliseconds = round(probe.seconds * 1000)
    if _is_accepted(probe):
        return good(SUBJECT, f"Telroi accepts the key, and answers in {milliseconds} ms.", milliseconds=milliseconds)
    if isinstance(probe.error, ApiUnreachable):
        return bad(
            SUBJECT, f"Telroi cannot be reached: {probe.error}.", "Look at BASE_URL, PROXY_URL and the firewall."
        )
    if isinstance(probe.error, ApiRefused) and probe.error.status == 401:
        return bad(SUBJECT, "Telroi does not know this key, or has revoked it.", "Make a new one in the dashboard.")
    if isinstance(probe.error, ApiRefused) and probe.error.status == 429:
        return note(SUBJECT, "This key has used up its requests of the minute.", "Try again in a minute.")
    if isinstance(probe.error, ApiRefused) and probe.error.status in NO_SUCH_ROUTE:
        says = f"BASE_URL leads to no route of Telroi's API (status {probe.error.status})."
        return bad(SUBJECT, says, "Remove BASE_URL, or set it to https://app.telroi.ai, without a path.")
    return bad(SUBJECT, f"Telroi gave no answer to use: {probe.error}.", "Try again; look at BASE_URL if it stays so.")


def _mode() -> Finding:
    if conf.api_key().startswith(TEST_KEY_PREFIX):
        return note(SUBJECT, "It is a test key: no phone rings, and 000000 verifies any number.", live=False)
    return good(SUBJECT, LIVE_KEY, live=True)


def _scope(client: TelroiClient) -> Finding:
    """The scope is asked before the body: a body without a code is refused for itself only where the scope is there."""
    try:
        client.request("POST", "/v1/otp/verify", {})
    except ApiRefused as refusal:
        if refusal.status == 403:
            return bad(SUBJECT, "The key lacks the scope otp:write.", "Add it in the dashboard, or make another key.")
        if refusal.status in (400, 422):
            return good(SUBJECT, "The key has the scope otp:write.", scope="otp:write")
        return note(SUBJECT, f"Whether the key may place calls is not clear: {refusal}.")
    except ApiError as error:
        return note(SUBJECT, f"Whether the key may place calls is not clear: {error}.")
    return note(SUBJECT, "Whether the key may place calls is not clear.")


def _clock(probe: Probe, server_time: datetime, *, answered_at: datetime) -> Finding:
    distance = round((answered_at - server_time).total_seconds() - probe.seconds / 2)
    says = f"This machine's clock and Telroi's are {abs(distance)} s apart."
    if abs(distance) > FARTHEST_CLOCK_SECONDS:
        return note(SUBJECT, says, "Let this machine set its clock (NTP).", seconds_apart=distance)
    return good(SUBJECT, says, seconds_apart=distance)
