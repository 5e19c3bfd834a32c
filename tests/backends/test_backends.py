"""The contract of every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import pytest

from django_telroi.backends import Backend, get_backend
from django_telroi.backends.console import ConsoleBackend
from django_telroi.backends.locmem import LocmemBackend, outbox
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.conf import CONSOLE_BACKEND, LOCMEM_BACKEND
from django_telroi.domain.phone import mask
from django_telroi.simulator import Simulator
from django_telroi.testing import BackendContract, RemoteBackendContract, last_code_for
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER


class Shipped(BackendContract):
    """Further rules for the backends of this package."""

    rings: bool

    @pytest.fixture
    def backend(self) -> Backend:
        return get_backend()

    @pytest.mark.parametrize("length", [4, 5, 6])
    def test_a_code_has_the_requested_length(self, backend: Backend, configure: Configure, length: int) -> None:
        configure(CODE_LENGTH=length)

        call = backend.place_call(NUMBER, code_length=length, language=None)

        assert (len(self.heard(NUMBER)), self.heard(NUMBER).isdecimal()) == (length, True)
        assert backend.check_code(self.heard(NUMBER), call_id=call.id, to=NUMBER).verified

    def test_codes_differ_between_calls(self, backend: Backend) -> None:
        codes = set()
        for last in range(8):
            number = f"+23480312345{last}0"
            backend.place_call(number, code_length=6, language=None)
            codes.add(self.heard(number))

        assert len(codes) > 4

    def test_a_backend_says_whether_it_rings_a_phone(self, backend: Backend) -> None:
        assert backend.rings is self.rings


class TestTelroi(Shipped, RemoteBackendContract):
    """The Telroi backend, on a real socket."""

    rings = True

    @pytest.fixture(autouse=True)
    def _telroi(self, telroi: Simulator) -> None:
        self.telroi = telroi

    def heard(self, number: str) -> str:
        return [call.code for call in self.telroi.calls if call.to == number][-1]

    def requests(self) -> int:
        return len(self.telroi.requests)

    def unreachable(self) -> AbstractContextManager[object]:
        return self.telroi.refusing()

    def losing_answers(self) -> AbstractContextManager[object]:
        return self.failing("reset")

    def answering(self, status: int) -> AbstractContextManager[object]:
        if status == 307:
            return self.failing("redirect", status=status)
        return self.failing("answer", status=status, body="<html>")

    @contextmanager
    def failing(self, fault: str, **options: Any) -> Iterator[None]:
        self.telroi.fail_always(fault, **options)
        yield
        self.telroi.stop_failing()

    def test_it_names_its_key_without_showing_it(self, backend: Backend, configure: Configure) -> None:
        key = self.telroi.api_key
        configure(API_KEY="tlr_live_another")

        assert len(backend.key_digest) == 64
        assert key not in backend.key_digest
        assert get_backend().key_digest != backend.key_digest

    def test_the_same_connection_is_reused(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)
        again = get_backend()

        assert isinstance(backend, TelroiBackend)
        assert isinstance(again, TelroiBackend)
        assert again.client is backend.client

    def test_a_subclass_can_set_a_hook_that_sees_each_request_once(self, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.NotingBackend")
        NotingBackend.seen.clear()

        call = get_backend().place_call(NUMBER, code_length=6, language=None)
        get_backend().check_code(self.heard(NUMBER), call_id=call.id, to=NUMBER)

        assert NotingBackend.seen == [200, 200]

    def test_a_changed_setting_takes_effect_at_once(self, backend: Backend, configure: Configure) -> None:
        self.telroi.add_key("tlr_live_another", scopes=())
        configure(API_KEY="tlr_live_another")

        with pytest.raises(Exception, match="403 forbidden"):
            get_backend().place_call(NUMBER, code_length=6, language=None)

    def test_without_an_id_the_newest_call_to_the_number_is_judged(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)

        assert backend.check_code(self.heard(NUMBER), call_id=None, to=NUMBER).verified


class NotingBackend(TelroiBackend):
    """Sets its hook as docs/howto/client.rst says."""

    seen: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.client.session.hooks["response"] = [lambda response, **options: self.seen.append(response.status_code)]


class TestConsole(Shipped):
    """The console backend prints the call and stores nothing."""

    rings = False

    @pytest.fixture(autouse=True)
    def _console(self, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
        configure(BACKEND=CONSOLE_BACKEND)
        self.capsys = capsys
        self.lines: list[str] = []

    def heard(self, number: str) -> str:
        self.lines += self.capsys.readouterr().out.splitlines()
        return [line for line in self.lines if mask(number) in line][-1].rpartition(" ")[2].removesuffix(".")

    def test_it_prints_one_line_without_the_full_number(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)

        code = self.heard(NUMBER)
        assert self.lines == [f"Telroi would now call +234 803 ••• 4567. The code is {code}."]

    def test_the_code_is_derived_from_the_secret_key(self, backend: Backend, settings: object) -> None:
        call = backend.place_call(NUMBER, code_length=6, language=None)
        code = self.heard(NUMBER)
        settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

        assert not ConsoleBackend().check_code(code, call_id=call.id, to=NUMBER).verified


class TestLocmem(Shipped):
    """The locmem backend stores its calls in the outbox."""

    rings = False

    @pytest.fixture(autouse=True)
    def _locmem(self, configure: Configure) -> None:
        configure(BACKEND=LOCMEM_BACKEND)

    def heard(self, number: str) -> str:
        return last_code_for(number)

    def test_the_outbox_contains_every_call_newest_last(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language="yo")
        backend.place_call(OTHER_NUMBER, code_length=6, language=None)

        assert [(call.to, call.language) for call in outbox] == [(NUMBER, "yo"), (OTHER_NUMBER, None)]

    def test_without_an_id_the_newest_call_to_the_number_is_judged(self, backend: Backend) -> None:
        for _ in range(2):
            backend.place_call(NUMBER, code_length=6, language=None)
        older, newer = (call.code for call in outbox)

        assert backend.check_code(newer, call_id=None, to=NUMBER).verified
        assert backend.check_code(older, call_id=None, to=NUMBER).verified is (older == newer)

    def test_it_is_the_backend_of_a_test_run(self, configure: Configure) -> None:
        configure(BACKEND=None)

        assert isinstance(get_backend(), LocmemBackend)
