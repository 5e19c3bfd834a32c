"""The checks of several API keys: names, functions, secrets, and open calls of a removed name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.utils import timezone

from django_telroi.domain.states import Dispatch, Status
from django_telroi.management.doctor.rows import examine_rows
from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.checks.test_checks import LIVE

TEST_KEY = "tlr_test_x"
OTHER = "tlr_live_other"
CHOOSES = "tests.services.key_functions.always_ben"


def fails() -> dict[str, str]:
    raise AssertionError("a system check called the function")


@pytest.fixture(autouse=True)
def _outside_of_tests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)
    monkeypatch.delattr("django.test.utils._TestState.saved_data")
    settings.DEBUG = False


def ours() -> list[CheckMessage]:
    return [each for each in run_checks(tags=[Tags.security]) if (each.id or "").startswith("telroi.")]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"API_KEYS": {"default": LIVE}}, []),
        ({"API_KEYS": {"default": [LIVE, OTHER]}}, []),
        ({"API_KEYS": {"ben": LIVE}, "API_KEY": CHOOSES}, []),
        ({"API_KEYS": {"ben": LIVE}, "API_KEY": lambda facts: "ben"}, []),
        ({"API_KEYS": fails}, []),
        ({"API_KEYS": fails, "WEBHOOK_SECRETS": fails, "API_KEY": CHOOSES}, []),
        ({"API_KEYS": {"ben": LIVE}}, ["telroi.E041"]),
        ({"API_KEYS": {"ben": LIVE}, "API_KEY": LIVE}, ["telroi.E041"]),
        ({"API_KEYS": {"ben": LIVE}, "API_KEY": "nowhere.at_all"}, ["telroi.E041"]),
        ({"API_KEYS": {"ben": LIVE}, "API_KEY": "tests.services.world.NUMBER"}, ["telroi.E041"]),
        ({"API_KEYS": "nowhere.at_all", "API_KEY": CHOOSES}, ["telroi.E042"]),
        ({"API_KEYS": {"default": LIVE}, "WEBHOOK_SECRETS": "nowhere.at_all"}, ["telroi.E042"]),
        ({"API_KEYS": {"default": LIVE, "ben": LIVE}}, ["telroi.E043"]),
        ({"API_KEYS": {"default": LIVE, "ben": [OTHER, LIVE]}}, ["telroi.E043"]),
        ({"API_KEYS": {"default": LIVE, "ben": OTHER}, "WEBHOOK_SECRETS": ["whsec_x"]}, ["telroi.E044"]),
        ({"API_KEYS": {"default": LIVE}, "WEBHOOK_SECRETS": ["whsec_x"]}, []),
        (
            {"API_KEYS": {"default": LIVE, "ben": OTHER}, "WEBHOOK_SECRETS": {"default": ["x"], "ben": ["y", "x"]}},
            ["telroi.E045"],
        ),
        ({"API_KEYS": {"default": LIVE}, "WEBHOOK_SECRETS": {"default": ["x"], "bne": ["y"]}}, ["telroi.W047"]),
        ({"API_KEYS": {"default": LIVE}, "ALLOW_TEST_KEY": ["bne"]}, ["telroi.W047"]),
        ({"API_KEY": LIVE, "ALLOW_TEST_KEY": ["bne"]}, ["telroi.W047"]),
        ({"API_KEY": LIVE, "WEBHOOK_SECRETS": {"ben": ["x"]}}, ["telroi.W047"]),
        ({"API_KEY": LIVE, "WEBHOOK_SECRETS": {"default": ["x"]}}, []),
        ({"API_KEYS": {"default": LIVE, "ben": None}}, ["telroi.W002"]),
        ({"API_KEYS": {"_ben": LIVE}, "API_KEY": CHOOSES}, []),
        ({"API_KEYS": {"tlr_live_abc": "default"}}, ["telroi.E002"]),
        ({"API_KEYS": {"whsec_abc": LIVE}}, ["telroi.E002"]),
        ({"API_KEYS": {"default": LIVE, "ben": TEST_KEY}}, ["telroi.E005"]),
        ({"API_KEYS": {"default": LIVE, "ben": TEST_KEY}, "ALLOW_TEST_KEY": ["ben"]}, []),
        ({"API_KEYS": {"default": TEST_KEY, "ben": OTHER}, "ALLOW_TEST_KEY": ["ben"]}, ["telroi.E005"]),
        ({"API_KEYS": {"default": "sk_live_x", "ben": "sk_live_y"}}, ["telroi.E008", "telroi.E008"]),
        ({"API_KEYS": {"": LIVE}}, ["telroi.E002"]),
        ({"API_KEYS": {"*": LIVE}}, ["telroi.E002"]),
        ({"API_KEYS": {"default": []}}, ["telroi.E002"]),
        ({"API_KEYS": [LIVE]}, ["telroi.E002"]),
        ({"API_KEY": lambda facts: "ben"}, ["telroi.E002"]),
    ],
)
def test_a_wrong_setup_is_named(settings: Any, chosen: dict[str, Any], found: list[str]) -> None:
    settings.TELROI = chosen

    assert [message.id for message in ours()] == found
    assert LIVE not in str(ours())


@pytest.mark.parametrize(
    "chosen",
    [
        {"API_KEYS": {"tlr_live_abc123": "default"}, "API_KEY": CHOOSES},
        {"API_KEYS": {"default": LIVE}, "WEBHOOK_SECRETS": {"whsec_abc123": ["default"]}},
        {"API_KEYS": {"default": LIVE}, "ALLOW_TEST_KEY": ["tlr_test_abc123"]},
    ],
)
def test_a_key_or_secret_in_the_place_of_a_name_is_not_printed(settings: Any, chosen: dict[str, Any]) -> None:
    """The output of the checks and of the doctor is kept and passed on."""
    settings.TELROI = chosen

    messages = ours()

    assert messages
    assert "abc123" not in str(messages)


def test_a_message_names_the_key(settings: Any) -> None:
    settings.TELROI = {"API_KEYS": {"default": LIVE, "ben": TEST_KEY}}

    [message] = ours()

    assert message.msg.startswith('The API key "ben" is a test key')
    assert '["ben"]' in str(message.hint)


def test_a_deployment_with_test_keys_for_some_names_is_warned(settings: Any) -> None:
    settings.TELROI = {"API_KEYS": {"default": LIVE, "ben": TEST_KEY}, "ALLOW_TEST_KEY": ["ben"]}

    found = run_checks(tags=[Tags.security], include_deployment_checks=True)

    assert [message.id for message in found if message.id == "telroi.W010"] == ["telroi.W010"]


def test_a_subclass_whose_constructor_takes_no_name_is_named(settings: Any) -> None:
    settings.TELROI = {"API_KEYS": {"default": LIVE}, "BACKEND": f"{__name__}.TakesNoName"}

    assert [message.id for message in ours()] == ["telroi.E017"]


def __getattr__(name: str) -> Any:
    """Make the class when it is named, because its base class needs settings."""
    if name != "TakesNoName":
        raise AttributeError(name)
    from django_telroi.backends.telroi import TelroiBackend

    class TakesNoName(TelroiBackend):
        def __init__(self) -> None:
            super().__init__()

    return TakesNoName


def attempt(name: str, *, status: Status = Status.PLACED, minutes: int = 5) -> None:
    phone, _ = PhoneNumber.objects.get_or_create(number="+2348031234567", last4="4567", region="NG")
    VerificationAttempt.objects.create(
        phone=phone,
        status=status,
        dispatch=Dispatch.INLINE,
        max_tries=3,
        key_name=name,
        expires_at=timezone.now() + timedelta(minutes=minutes),
    )


@pytest.mark.django_db
class TestRemovedNames:
    """Open calls whose key is not in the settings any more."""

    @staticmethod
    def found() -> list[str]:
        messages = run_checks(tags=[Tags.database], databases=["default"])
        return [str(message.msg) for message in messages if message.id == "telroi.E046"]

    @pytest.mark.parametrize(
        ("chosen", "is_found"),
        [
            ({"API_KEYS": {"default": LIVE}}, True),
            ({"API_KEYS": lambda: {"default": LIVE}}, True),
            ({"API_KEY": LIVE}, True),
            ({}, True),
            ({"API_KEYS": {"ben": LIVE}}, False),
            ({"API_KEYS": fails}, False),
        ],
    )
    def test_are_named(self, settings: Any, chosen: dict[str, Any], is_found: bool) -> None:
        settings.TELROI = chosen
        attempt("ben")

        assert [message for message in self.found() if '"ben"' in message] == self.found()
        assert bool(self.found()) is is_found

    def test_calls_that_are_over_need_no_key(self, settings: Any) -> None:
        settings.TELROI = {"API_KEYS": {"default": LIVE}}
        attempt("ben", status=Status.VERIFIED)
        attempt("ben", minutes=-1)
        attempt("default")

        assert self.found() == []

    def test_a_site_with_one_key_that_is_missing_is_told_by_another_check(self, settings: Any) -> None:
        settings.TELROI = {}
        attempt("default")

        assert self.found() == []

    def test_many_names_are_shortened(self, settings: Any) -> None:
        settings.TELROI = {"API_KEYS": {"default": LIVE}}
        for line in range(7):
            attempt(f"ben{line}")

        [message] = self.found()

        assert '"ben0", "ben1", "ben2", "ben3", "ben4" and 2 others' in message

    def test_the_doctor_says_so(self, settings: Any) -> None:
        settings.TELROI = {"API_KEYS": {"default": LIVE}}
        attempt("ben")

        assert [str(each.level) for each in examine_rows() if "telroi.E046" in each.cure] == ["bad"]
