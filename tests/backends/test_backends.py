"""One contract that every backend keeps."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from uuid import UUID

import pytest

from django_telroi.backends import Backend, get_backend
from django_telroi.backends.console import ConsoleBackend
from django_telroi.backends.locmem import LocmemBackend, outbox
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.conf import CONSOLE_BACKEND, LOCMEM_BACKEND
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, wrong


class BackendContract(ABC):
    """What a person hears verifies, once it is typed for the call that they heard it in, and nothing else does."""

    rings: bool

    @pytest.fixture
    def backend(self) -> Backend:
        return get_backend()

    @abstractmethod
    def heard(self) -> str:
        """The code of the newest call."""

    def test_a_call_comes_back_with_its_number_and_an_id(self, backend: Backend) -> None:
        call = backend.place_call(NUMBER, code_length=6, language=None)

        assert (call.to, UUID(call.id).version) == (NUMBER, 4)

    def test_the_code_that_is_heard_verifies(self, backend: Backend) -> None:
        call = backend.place_call(NUMBER, code_length=6, language="yo")

        check = backend.check_code(self.heard(), call_id=call.id, to=NUMBER)

        assert (check.status, check.verified) == ("verified", True)

    def test_any_other_code_is_wrong(self, backend: Backend) -> None:
        call = backend.place_call(NUMBER, code_length=6, language=None)

        check = backend.check_code(wrong(self.heard()), call_id=call.id, to=NUMBER)

        assert (check.status, check.verified) == ("mismatch", False)

    def test_the_code_of_one_call_is_worth_nothing_for_another(self, backend: Backend) -> None:
        first = backend.place_call(NUMBER, code_length=6, language=None)
        code = self.heard()
        second = backend.place_call(OTHER_NUMBER, code_length=6, language=None)

        assert first.id != second.id
        assert (self.heard() == code) is backend.check_code(code, call_id=second.id, to=OTHER_NUMBER).verified

    def test_a_call_that_never_was_verifies_nothing(self, backend: Backend) -> None:
        unknown = "9b2e4c1a-6b0f-4d0c-9d8e-1f2a3b4c5d6e"

        assert not backend.check_code("123456", call_id=unknown, to=NUMBER).verified
        assert not backend.check_code("123456", call_id=None, to=NUMBER).verified

    def test_another_instance_judges_as_well(self, backend: Backend) -> None:
        call = backend.place_call(NUMBER, code_length=6, language=None)

        assert get_backend().check_code(self.heard(), call_id=call.id, to=NUMBER).verified

    @pytest.mark.parametrize("length", [4, 5, 6])
    def test_a_code_has_the_length_that_was_asked_for(
        self, backend: Backend, configure: Configure, length: int
    ) -> None:
        configure(CODE_LENGTH=length)

        call = backend.place_call(NUMBER, code_length=length, language=None)

        assert (len(self.heard()), self.heard().isdecimal()) == (length, True)
        assert backend.check_code(self.heard(), call_id=call.id, to=NUMBER).verified

    def test_codes_differ_from_call_to_call(self, backend: Backend) -> None:
        codes = set()
        for last in range(8):
            backend.place_call(f"+23480312345{last}0", code_length=6, language=None)
            codes.add(self.heard())

        assert len(codes) > 4

    def test_nothing_secret_is_logged_or_shown(self, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

        call = backend.place_call(NUMBER, code_length=6, language=None)
        code = self.heard()
        checks = [backend.check_code(each, call_id=call.id, to=NUMBER) for each in (wrong(code), code)]

        shown = f"{caplog.text} {backend!r} {call!r} {checks!r}"
        assert [secret for secret in (NUMBER, NUMBER[1:], code, wrong(code)) if secret in shown] == []

    def test_it_says_whether_it_rings_anybody(self, backend: Backend) -> None:
        assert backend.rings is self.rings


class TestTelroi(BackendContract):
    """The real thing, as far as a socket can tell."""

    rings = True

    @pytest.fixture(autouse=True)
    def _telroi(self, telroi: Simulator) -> None:
        self.telroi = telroi

    def heard(self) -> str:
        return self.telroi.calls[-1].code

    def test_it_names_its_key_without_telling_it(self, backend: Backend, configure: Configure) -> None:
        key = self.telroi.api_key
        configure(API_KEY="tlr_live_another")

        assert len(backend.key_digest) == 64
        assert key not in backend.key_digest
        assert get_backend().key_digest != backend.key_digest

    def test_the_same_connection_is_used_again(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)
        again = get_backend()

        assert isinstance(backend, TelroiBackend)
        assert isinstance(again, TelroiBackend)
        assert again._client is backend._client

    def test_a_changed_setting_is_right_at_once(self, backend: Backend, configure: Configure) -> None:
        self.telroi.add_key("tlr_live_another", scopes=())
        configure(API_KEY="tlr_live_another")

        with pytest.raises(Exception, match="403 forbidden"):
            get_backend().place_call(NUMBER, code_length=6, language=None)

    def test_without_an_id_the_newest_call_to_the_number_is_judged(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)

        assert backend.check_code(self.heard(), call_id=None, to=NUMBER).verified


class TestConsole(BackendContract):
    """It prints the call and remembers nothing."""

    rings = False

    @pytest.fixture(autouse=True)
    def _console(self, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
        configure(BACKEND=CONSOLE_BACKEND)
        self.capsys = capsys
        self.lines: list[str] = []

    def heard(self) -> str:
        self.lines += self.capsys.readouterr().out.splitlines()
        return self.lines[-1].rpartition(" ")[2].removesuffix(".")

    def test_it_prints_one_line_without_the_whole_number(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language=None)

        code = self.heard()
        assert self.lines == [f"Telroi would now call +234 803 ••• 4567. The code is {code}."]

    def test_the_code_follows_from_the_secret_of_the_site(self, backend: Backend, settings: object) -> None:
        call = backend.place_call(NUMBER, code_length=6, language=None)
        code = self.heard()
        settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

        assert not ConsoleBackend().check_code(code, call_id=call.id, to=NUMBER).verified


class TestLocmem(BackendContract):
    """It keeps what it would have said."""

    rings = False

    @pytest.fixture(autouse=True)
    def _locmem(self, configure: Configure) -> None:
        configure(BACKEND=LOCMEM_BACKEND)

    def heard(self) -> str:
        return outbox[-1].code

    def test_the_outbox_holds_every_call_newest_last(self, backend: Backend) -> None:
        backend.place_call(NUMBER, code_length=6, language="yo")
        backend.place_call(OTHER_NUMBER, code_length=6, language=None)

        assert [(call.to, call.language) for call in outbox] == [(NUMBER, "yo"), (OTHER_NUMBER, None)]

    def test_without_an_id_the_newest_call_to_the_number_is_judged(self, backend: Backend) -> None:
        for _ in range(2):
            backend.place_call(NUMBER, code_length=6, language=None)
        older, newer = (call.code for call in outbox)

        assert backend.check_code(newer, call_id=None, to=NUMBER).verified
        assert backend.check_code(older, call_id=None, to=NUMBER).verified is (older == newer)

    def test_it_is_what_a_test_run_gets(self, configure: Configure) -> None:
        configure(BACKEND=None)

        assert isinstance(get_backend(), LocmemBackend)
