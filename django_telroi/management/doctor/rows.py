"""The examination of the database: migrations, stopped and waiting calls, old rows, clock, outcomes and webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.core.checks import Tags, run_checks
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, Q

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.domain.states import Status
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services.calls.webhook_events import last_event_at
from django_telroi.services.sentences import HOUR, MINUTE, duration
from django_telroi.services.shared.number_state import read_state
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.services.shared.transactions import DATABASE_LOST, write_alias

SUBJECT = "rows"
PERIOD = timedelta(hours=24)
LONG_WAIT = timedelta(seconds=30)
# Longer than the pause between two sweeps of cron. Celery beat and ``--loop 10`` sweep every 10 seconds.
LATE_SWEEP = timedelta(minutes=10)
START_SWEEP = "Run manage.py telroi_sweep by cron or with --loop 10, or django_telroi.tasks.sweep with Celery beat."
# Longer than the pause between two daily purges, also if one of them failed.
LATE_PURGE = timedelta(days=2)
START_PURGE = "Run manage.py telroi_purge once a day by cron, or django_telroi.tasks.purge with Celery beat."
# Servers of a replicated database differ by less. A longer distance is a clock that was wrong.
CLOCK_SLACK = timedelta(seconds=10)
# The normal share is below 1 %. A share above 2 % points to a problem of the carrier, a timeout or the network.
MAX_UNKNOWN = 0.02
FEWEST_TO_JUDGE = 50
UNKNOWN_OUTCOMES = (ErrorCode.CALL_FAILED, ErrorCode.NO_REPLY, ErrorCode.LEASE_ENDED)


def examine_rows() -> Iterator[Finding]:
    """Yield the findings about the rows. Without its migrations, only the missing migrations are reported."""
    using = write_alias()
    try:
        missing = _missing_migrations(using)
    except DATABASE_LOST:
        yield bad(
            SUBJECT,
            f'The database "{using}" cannot be reached.',
            f'Check DATABASES["{using}"], and that the server runs.',
            reachable=False,
        )
        return
    if missing:
        yield bad(
            SUBJECT,
            f"{missing} {'migration' if missing == 1 else 'migrations'} of this app must be applied.",
            "Run manage.py migrate.",
            missing=missing,
        )
        return
    yield good(SUBJECT, "All migrations of this app are applied.", missing=0)
    for message in run_checks(tags=[Tags.database], databases=[using]):
        if str(message.id).startswith("telroi."):
            yield bad(SUBJECT, message.msg, f"{message.hint} ({message.id})", id=message.id)
    state = read_state(None, using=using)
    yield _switch(state.control, now=state.now, using=using)
    yield _waiting(now=state.now, using=using)
    yield _overdue(now=state.now, using=using)
    if retention := conf.retention():
        yield _find_expired(retention, now=state.now, using=using)
    yield _find_future(now=state.now, using=using)
    yield _find_unknown(now=state.now, using=using)
    # Another backend gets no webhooks of Telroi. Without a secret the site has none, which is no fault.
    if conf.webhook_secrets() and not is_own_backend():
        yield _webhooks(now=state.now)


def _missing_migrations(using: str) -> int:
    executor = MigrationExecutor(connections[using])
    ours = [node for node in executor.loader.graph.leaf_nodes() if node[0] == VerificationAttempt._meta.app_label]
    return len([step for step, _ in executor.migration_plan(ours) if step.app_label == ours[0][0]])


def _switch(control: CallControl, *, now: datetime, using: str) -> Finding:
    if control.stopped_at:
        cure = "Resume calls in the admin, or run manage.py telroi_stop --resume."
        return bad(SUBJECT, "Staff stopped all calls.", cure, stopped=True)
    paused = {CallControl.DEFAULT_KEY: control}
    if conf.has_named_keys():
        paused = {row.name: row for row in CallControl.objects.using(using).filter(paused_until__gt=now)}
    lasting = [(name, row) for name, row in paused.items() if row.paused_until and row.paused_until > now]
    if lasting:
        return note(
            SUBJECT, " ".join(_pause_words(*each, now=now) for each in lasting), paused=lasting[0][1].paused_reason
        )
    return good(SUBJECT, "Calls are neither stopped nor paused.", stopped=False, paused=None)


def _pause_words(name: str, control: CallControl, *, now: datetime) -> str:
    seconds = round((control.paused_until - now).total_seconds()) if control.paused_until else 0
    which = f'All calls with the key "{name}"' if conf.has_named_keys() else "All calls"
    return f"{which} wait for {seconds} s: {control.paused_reason}."


def _waiting(*, now: datetime, using: str) -> Finding:
    queued = VerificationAttempt.objects.using(using).filter(status=Status.QUEUED, due_at__isnull=False)
    waiting = queued.filter(created_at__lt=now - LONG_WAIT).count()
    if waiting:
        calls = "1 call has" if waiting == 1 else f"{waiting} calls have"
        says = f"{calls} waited in the queue for more than {LONG_WAIT.seconds} s."
        return bad(SUBJECT, says, "Check the broker, the workers and the sweep.", waiting=waiting)
    return good(SUBJECT, f"No call has waited in the queue for more than {LONG_WAIT.seconds} s.", waiting=0)


def _overdue(*, now: datetime, using: str) -> Finding:
    """Return whether a row has been due for long. Every sweep settles all due rows, so none of them has run since then.

    A site without such a row may have no sweep either: then no row needs one yet.
    """
    due = VerificationAttempt.objects.using(using).filter(due_at__lt=now - LATE_SWEEP)
    since = due.order_by("due_at").values_list("due_at", flat=True).first()
    if since is None:
        says = f"No call has waited for the sweep for more than {LATE_SWEEP.seconds // 60} minutes."
        return good(SUBJECT, says, overdue_seconds=0)
    seconds = round((now - since).total_seconds())
    unit = MINUTE if seconds < HOUR else HOUR  # ``duration`` rounds up, and this must not claim more than is known
    says = f"No sweep has run for {duration(seconds // unit * unit)}."
    return note(SUBJECT, says, START_SWEEP, overdue_seconds=seconds)


def _find_expired(retention: timedelta, *, now: datetime, using: str) -> Finding:
    """Return whether an attempt is so old that a daily purge would have deleted it. It reads one row by an index."""
    moments = VerificationAttempt.objects.using(using).order_by("created_at").values_list("created_at", flat=True)
    oldest = moments.first()
    days = None if oldest is None else max(0, (now - oldest).days)
    if oldest is None or oldest >= now - retention - LATE_PURGE:
        says = f"No attempt is older than RETENTION_DAYS ({retention.days}) and {LATE_PURGE.days} days more."
        return good(SUBJECT, says, oldest_days=days)
    says = f"The oldest attempt is {days} days old, but RETENTION_DAYS is {retention.days}, so no daily purge runs."
    return note(SUBJECT, says, START_PURGE, oldest_days=days)


def _find_future(*, now: datetime, using: str) -> Finding:
    """Return how many numbers must wait because of calls that count from a time in the future."""
    later = now + CLOCK_SLACK
    called = PhoneNumber.objects.using(using).filter(last_call_at__gt=later)
    numbers = sum(any(moment > later for moment in phone.moments) for phone in called.iterator())
    if not numbers:
        return good(SUBJECT, "No number has calls in the future.", future=0)
    says = f"{numbers} {'number has' if numbers == 1 else 'numbers have'} calls in the future, and must wait longer."
    cure = (
        "The database's clock was ahead. Synchronize it (NTP). In the admin, the filter Limited now lists these "
        "numbers, and Reset the limits ends the wait of one."
    )
    return note(SUBJECT, says, cure, future=numbers)


def _find_unknown(*, now: datetime, using: str) -> Finding:
    placed = VerificationAttempt.objects.using(using).filter(created_at__gt=now - PERIOD, dialed_at__isnull=False)
    counted = placed.aggregate(calls=Count("pk"), unknown=Count("pk", filter=Q(error_code__in=UNKNOWN_OUTCOMES)))
    calls, unknown = counted["calls"], counted["unknown"]
    cure = f"Check the timeouts, and ask {'your provider' if is_own_backend() else 'Telroi'}."
    says = f"Of {calls} {'call' if calls == 1 else 'calls'} in 24 hours, {unknown} had an unknown outcome."
    if calls >= FEWEST_TO_JUDGE and unknown > MAX_UNKNOWN * calls:
        return note(SUBJECT, says, cure, calls=calls, unknown=unknown)
    return good(SUBJECT, says, calls=calls, unknown=unknown)


def _webhooks(*, now: datetime) -> Finding:
    last = last_event_at()
    if last is None:
        return note(
            SUBJECT,
            "No webhook has arrived yet.",
            "Send a sample: see manage.py telroi_webhook --help.",
            seconds_ago=None,
        )
    seconds = round((now - last).total_seconds())
    return good(SUBJECT, f"The last webhook arrived {duration(max(1, seconds))} ago.", seconds_ago=seconds)
