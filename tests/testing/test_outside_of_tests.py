"""Outside of Django's test environment, ``django_telroi.testing`` changes no settings, limits, rows or calls."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import timedelta
from functools import partial

import pytest
from django.core.cache import caches
from django.test import SimpleTestCase

from django_telroi import conf, testing
from django_telroi.backends.locmem import LocmemBackend, LocmemCall, outbox
from django_telroi.conf import values
from django_telroi.simulator import Simulator
from django_telroi.testing import SCENARIOS, BackendContract, FakeTelroi, FakeTelroiMixin, RemoteBackendContract
from django_telroi.testing.settings_of_test import telroi_settings
from django_telroi.testing.time_shift import shift_rows

NUMBER = "+2348031234567"
MESSAGE = "works in Django's test environment only"

Use = Callable[[], object]


class Contract(RemoteBackendContract, SimpleTestCase):
    __test__ = False  # its tests are run outside of the test environment only

    def heard(self, number: str) -> str:
        return outbox[-1].code

    def make_backend(self) -> LocmemBackend:
        return LocmemBackend()

    def requests(self) -> int:
        return 0

    def unreachable(self) -> AbstractContextManager[object]:
        return nullcontext()

    losing_answers = unreachable

    def answering(self, status: int) -> AbstractContextManager[object]:
        return nullcontext()


def uses_of_contract(contract: type) -> list[Use]:
    return [getattr(Contract(name), name) for name in dir(contract) if name.startswith("test_")]


def entered(make: Callable[[], AbstractContextManager[object]]) -> Use:
    def enter() -> None:
        with make():
            raise AssertionError("it was entered")

    return enter


# Each public name and its uses. A name that changes nothing has none: it reads, or it is a server without a site.
USES: dict[str, list[Use]] = {
    "SCENARIOS": [partial(each.prepare, None, NUMBER, None) for each in SCENARIOS.values()],
    "BackendContract": uses_of_contract(BackendContract),
    "FakeTelroi": [lambda: FakeTelroi(ExitStack())],
    "FakeTelroiMixin": [lambda: FakeTelroiMixin("setUp").setUp()],
    "RemoteBackendContract": uses_of_contract(RemoteBackendContract),
    "Scenario": [],
    "fake_telroi": [entered(testing.fake_telroi)],
    "last_code_for": [],
    "outbox": [],
    "rate_limits": [entered(testing.rate_limits), lambda: testing.rate_limits({"start": {"ip": "0/h"}})(print)()],
    "running_simulator": [],
    "simulated_telroi": [entered(testing.simulated_telroi)],
    "verify_phone": [lambda: testing.verify_phone(None, NUMBER)],
}
INTERNAL: dict[str, Use] = {
    "telroi_settings": entered(lambda: telroi_settings(COOLDOWN_SECONDS=0)),
    "shift_rows": lambda: shift_rows(timedelta(hours=1)),
}


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django's test environment is not set up, and no simulator may start."""
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    monkeypatch.setattr(Simulator, "__enter__", lambda self: pytest.fail("a simulator was started"))


def test_the_table_has_every_public_name() -> None:
    assert USES.keys() == set(testing.__all__)


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize(
    "use",
    [
        *(pytest.param(use, id=f"{name}-{place}") for name, uses in USES.items() for place, use in enumerate(uses)),
        *(pytest.param(use, id=name) for name, use in INTERNAL.items()),
    ],
)
def test_what_changes_a_site_refuses_and_changes_nothing(use: Use) -> None:
    call = LocmemCall(to=NUMBER, code="482913", language=None)
    outbox[:] = [call]
    functions = values.chosen, conf.chosen, conf.rate_limit_cache
    aliases = set(caches.settings)

    with pytest.raises(RuntimeError, match=MESSAGE):
        use()

    assert (values.chosen, conf.chosen, conf.rate_limit_cache) == functions
    assert set(caches.settings) == aliases
    assert outbox == [call]
    outbox.clear()


@pytest.mark.parametrize("use", [testing.rate_limits, testing.simulated_telroi, testing.fake_telroi])
def test_a_decorator_may_be_made_before_the_test_environment_is_set_up(
    use: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest-django sets it up after the modules of the tests are imported."""
    with monkeypatch.context() as before:
        before.delattr("django.test.utils._TestState.saved_data")
        made = use()

    with made:
        pass
