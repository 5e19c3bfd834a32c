"""Telroi in memory, for one test: the calls that it got, and what it does with the next ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from django_telroi import conf
from django_telroi.backends.locmem import LocmemCall, failures, outbox
from django_telroi.conf import values
from django_telroi.domain.phone import parse_phone, refuse_uncallable, supported_regions
from django_telroi.errors import ApiError, VerificationRefused
from django_telroi.services.shared.number_state import STOP_HINT
from django_telroi.simulator import Simulator
from django_telroi.testing.scenario_table import SCENARIOS, Scenario
from django_telroi.testing.settings_of_test import refuse_outside_of_tests, telroi_settings
from django_telroi.testing.time_shift import shift_rows

USUAL_NUMBER = "+2348031234567"


class FakeTelroi:
    """Telroi in memory. ``calls`` are the calls of this test, newest last: ``telroi.calls[-1].code`` was read out.

    ``number``: a number that this site may call, in E.164. Raises RuntimeError in a process that runs no tests.
    """

    def __init__(self, until_end_of_test: ExitStack) -> None:
        refuse_outside_of_tests()
        self._until_end_of_test = until_end_of_test
        self.number = callable_number()

    @property
    def calls(self) -> list[LocmemCall]:
        return outbox

    def play(self, name: str, *, number: str | None = None, user: AbstractBaseUser | None = None) -> Scenario:
        """Bring about one of ``SCENARIOS`` for the rest of the test, and return it. ``typed`` is what to type now.

        Those whose ``step`` is ``"number"`` are played before the call is asked for. Those with ``"code"`` are played
        after it: they are about the newest call.

        ``number``: the number that the test will type, None for ``self.number``. ``user``: the user whose page it is,
        None without a login; for ``too_many_wrong_codes`` only, because wrong codes count for their user.

        Raises ValueError for an unknown name, and LookupError for a scenario of a code before any call.
        """
        scenario = SCENARIOS.get(name)
        if scenario is None:
            raise ValueError(f"{name!r} is no scenario. The scenarios are {', '.join(SCENARIOS)}.")
        typed = scenario.prepare(self, number or self.number, user)
        return replace(scenario, typed=typed)

    def configure(self, **keys: Any) -> None:
        """Set keys of ``settings.TELROI`` for the rest of the test, and keep the others.

        Raises TypeError for a key that is not a setting.
        """
        self.enter(telroi_settings(**keys))

    def enter(self, context: Any) -> None:
        """Enter a context manager that is left at the end of the test."""
        self._until_end_of_test.enter_context(context)

    def fail_calls(self, error: ApiError, *, rings: bool = False) -> None:
        """Let all calls from now on raise ``error``. ``rings``: the phone rings nevertheless."""
        failures.call, failures.rings = error, rings

    def fail_checks(self, error: ApiError) -> None:
        """Let all codes that Telroi judges from now on raise ``error``."""
        failures.check = error

    def recover(self) -> None:
        """End all failures."""
        failures.clear()

    def pass_time(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time pass for the rows of django-telroi: codes expire, waits end, verifications get older.

        The clock of the machine does not move, and neither do sessions and the counts of ``RATES``.
        """
        shift_rows(timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days))


def callable_number() -> str:
    """Return a number that the site's settings allow to call. Raises LookupError if they allow none."""
    import phonenumbers

    rules = conf.calling_rules()
    regions = sorted(supported_regions() if rules.allowed_regions is None else rules.allowed_regions)
    examples = (phonenumbers.example_number_for_type(each, phonenumbers.PhoneNumberType.MOBILE) for each in regions)
    e164 = phonenumbers.PhoneNumberFormat.E164
    for text in (USUAL_NUMBER, *(phonenumbers.format_number(each, e164) for each in examples if each)):
        try:
            phone = parse_phone(text)
            refuse_uncallable(phone, rules)
        except VerificationRefused:
            continue
        return str(phone.number)
    raise LookupError("The settings in TELROI allow no call to any example number. Pass a number that may be called.")


@contextmanager
def fake_telroi() -> Iterator[FakeTelroi]:
    """Use Telroi in memory while the context lasts, with any ``BACKEND`` in the settings. Returns the FakeTelroi.

    Raises RuntimeError in a process that runs no tests.
    """
    refuse_outside_of_tests()
    outbox.clear()
    _forget_process_state()
    try:
        with telroi_settings(BACKEND=conf.LOCMEM_BACKEND), ExitStack() as until_end_of_test:
            yield FakeTelroi(until_end_of_test)
    finally:
        outbox.clear()
        _forget_process_state()


def _forget_process_state() -> None:
    failures.clear()
    # A process remembers for a few seconds that staff stopped all calls. The rows of a test that did are gone.
    STOP_HINT.see(is_stopped=False)


@contextmanager
def simulated_telroi() -> Iterator[Simulator]:
    """Use a simulator of Telroi on a real socket of this machine while the context lasts. Returns the simulator.

    Its ``calls`` have codes like those of FakeTelroi. ``fail_next("reset")`` makes the next request fail, and
    ``advance(60)`` advances its clock by 60 seconds. Telroi in memory is much faster, and needs no transactions of a
    database that other threads see.

    Raises RuntimeError in a process that runs no tests.
    """
    # Before the simulator starts. In production its codes would verify any number without a phone.
    refuse_outside_of_tests()
    with Simulator() as simulator:
        keys = {
            "BACKEND": conf.TELROI_BACKEND,
            "BASE_URL": simulator.base_url,
            "PROXY_URL": None,  # a proxy would not find the simulator on this machine
            # A worker does not have these settings, and the message would go to the broker of the site.
            "DISPATCH": "inline",
            **_keys_of(simulator),
        }
        with telroi_settings(**keys):
            yield simulator


def _keys_of(simulator: Simulator) -> dict[str, Any]:
    """Return the settings of keys. With several keys the site's function chooses among the same names as before."""
    if not conf.has_named_keys():
        return {"API_KEY": simulator.api_key, "WEBHOOK_SECRETS": [simulator.webhook_secret]}
    chosen = values.read("API_KEYS")
    names: Callable[[], Iterable[str]]
    # The names are read at each call, because a function of the site may read them from the test's database.
    names = values.load_function(chosen) if conf.are_keys_read_by_function() else partial(list, chosen)
    return {
        "API_KEYS": lambda: dict.fromkeys(names(), simulator.api_key),
        "WEBHOOK_SECRETS": lambda: {name: [simulator.webhook_secret] for name in names()},
    }
