"""Keys and secrets of unusual kinds: what a site reads from a file, an environment variable or an Enum."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from django_telroi import conf, services
from django_telroi.client.webhooks import sign
from django_telroi.errors import Misconfigured
from django_telroi.management.doctor.telroi_api import examine_telroi
from django_telroi.services.calls.queue import place_call
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER

pytestmark = pytest.mark.django_db

OLD, NEW = "tlr_live_old", "tlr_live_new"


class Name(str, enum.Enum):  # noqa: UP042 - a StrEnum would be its value in an f-string
    SHOP = "shop"


@pytest.fixture
def old_key(telroi: Simulator, configure: Configure) -> Simulator:
    telroi.add_key(OLD)
    configure(API_KEY=None)
    return telroi


@pytest.mark.parametrize(
    "keys",
    [
        [f"{OLD}\n"],
        f"  {OLD}\r\n",
        [OLD, None],
        [OLD, " "],
        [None, OLD],
        ["tlr_live_ne w", OLD],
        ["tlr_live_né", OLD],
        ["tlr_test_new", OLD],
    ],
)
def test_a_key_that_works_places_the_call_whatever_is_beside_it(
    old_key: Simulator, configure: Configure, keys: Any
) -> None:
    configure(API_KEYS=lambda: {"default": keys}, ALLOW_TEST_KEY=False)

    attempt = services.start_verification(NUMBER)

    assert attempt.status == "placed"
    assert [seen.key for seen in old_key.requests] == [OLD]


def test_a_queued_call_is_placed_by_the_old_key(old_key: Simulator, configure: Configure) -> None:
    configure(API_KEYS={"default": OLD})
    with transaction.atomic():
        attempt = services.start_verification(NUMBER)
    configure(API_KEYS={"default": ["tlr_live_ne\nw", OLD]})
    type(attempt).objects.update(dispatch="celery")

    place_call(attempt.pk)

    assert type(attempt).objects.get().status == "placed"


@pytest.mark.parametrize("named", [{Name.SHOP: OLD}, {"shop": OLD}])
def test_the_name_may_be_a_member_of_an_enum(old_key: Simulator, configure: Configure, named: Any) -> None:
    configure(API_KEYS=named, API_KEY=lambda facts: Name.SHOP)

    attempt = services.start_verification(NUMBER)

    assert (attempt.status, attempt.key_name, type(attempt.key_name)) == ("placed", "shop", str)
    assert [(name, type(name)) for name in conf.key_names()] == [("shop", str)]
    assert [(name, type(name)) for name in conf.named_keys()] == [("shop", str)]


@pytest.mark.parametrize("names", [{7: [b"x"]}, {7: ["whsec_x"]}, {"default": [b"x"]}, {None: ["whsec_x"]}])
def test_a_webhook_is_rejected_while_the_names_of_secrets_are_invalid(
    old_key: Simulator, configure: Configure, client: Any, names: Any
) -> None:
    configure(WEBHOOK_SECRETS=names, API_KEYS={"default": OLD})
    body = b'{"event": "otp.completed"}'

    answer = client.post(
        "/telroi/webhook", body, content_type="application/json", headers={"telroi-signature": sign(body, "whsec_x")}
    )

    assert answer.status_code == 503
    with pytest.raises(ImproperlyConfigured, match="WEBHOOK_SECRETS"):
        conf.webhook_secrets_by_key()


SECRET = "tlr_live_Canary0Key0Canary"


def frames_of(traceback: TracebackType | None) -> Iterator[str]:
    """Yield the variables of our frames, as an error page shows them."""
    while traceback:
        if "django_telroi" in traceback.tb_frame.f_code.co_filename:
            yield from (repr(value) for value in traceback.tb_frame.f_locals.values())
        traceback = traceback.tb_next


@pytest.mark.parametrize(
    "wrong",
    [
        {"API_KEYS": [SECRET]},
        {"API_KEYS": {SECRET}},
        {"API_KEYS": {"default": {SECRET: 1}}},
        {"API_KEYS": {"default": [SECRET] * 3}},
        {"API_KEYS": {"default": [SECRET, 7]}},
        {"API_KEYS": {"default": SECRET.encode()}},
        {"API_KEYS": {"default": SECRET, "a b": SECRET}},
        {"API_KEYS": lambda: [SECRET]},
        {"API_KEY": SECRET.encode()},
        {"API_KEY": [SECRET]},
        {"WEBHOOK_SECRETS": SECRET},
        {"WEBHOOK_SECRETS": [SECRET, 7]},
        {"WEBHOOK_SECRETS": {"default": SECRET}},
        {"WEBHOOK_SECRETS": {7: [SECRET]}},
        {"WEBHOOK_SECRETS": lambda: {7: [SECRET]}},
        {"NUMBER_KEYS": SECRET},
        {"NUMBER_KEYS": [SECRET, 7]},
        {"NUMBER_KEYS": [SECRET[:9]]},
        {"REVIEWER_SECRET_CODE": [SECRET]},
        {"REVIEWER_SECRET_NUMBERS": SECRET},
        {"REVIEWER_SECRET_NUMBERS": [SECRET, 7]},
    ],
)
def test_no_variable_of_an_error_page_has_a_secret_of_the_wrong_type(configure: Configure, wrong: Any) -> None:
    configure(**wrong)
    readers = (
        conf.key_names,
        conf.named_keys,
        conf.api_key,
        conf.key_function,
        lambda: conf.keys_named("default"),
        conf.webhook_secrets,
        conf.number_keys,
        conf.reviewer_secret_code,
        conf.reviewer_numbers,
    )

    raised = []
    for read in readers:
        try:
            read()
        except ImproperlyConfigured as error:
            raised.append(error)

    assert raised != []
    for error in raised:
        assert SECRET[:9] not in str(error)
        assert [shown for shown in frames_of(error.__traceback__) if SECRET[:9] in shown] == []


def test_a_setting_of_the_wrong_type_is_not_shown_either(settings: Any) -> None:
    settings.TELROI = [SECRET]

    with pytest.raises(ImproperlyConfigured) as raised:
        conf.api_key()

    assert [shown for shown in frames_of(raised.value.__traceback__) if SECRET in shown] == []


@pytest.mark.parametrize("wrong", [[SECRET], {SECRET}, 7])
def test_keys_of_a_wrong_type_reject_the_start_and_leave_the_other_pages(
    telroi: Simulator, configure: Configure, admin_client: Any, wrong: Any
) -> None:
    configure(API_KEYS=wrong)

    with pytest.raises(Misconfigured):
        services.start_verification(OTHER_NUMBER)

    assert admin_client.get("/admin/django_telroi/verificationattempt/").status_code == 200


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({}, "returns no key"),
        ({"default": None}, "returns no key"),
        ({"shop": OLD}, 'no key "default"'),
        ({"default": OLD, "my shop": NEW}, "a name that is invalid"),
        ({"default": OLD, 7: NEW}, "a name that is invalid"),
        ({"default": "tlr_test_x"}, "ALLOW_TEST_KEY is off"),
        ({"default": OLD, "shop": OLD}, "the same key"),
        ({"default": "tlr_live_o ld"}, "default: The key is invalid."),
        ({"default": [OLD, "tlr_live_o ld"]}, "default, old key: The key is invalid."),
        ({"default": OLD, "shop": None}, 'The API key "shop" is not set'),
        ({"default": OLD, "shop": 123}, "shop: The value is neither a key nor a list of two keys"),
        ({"default": 123, "shop": OLD}, "default: The value is neither a key nor a list of two keys"),
        ({"default": OLD, "tlr_live_key": "shop"}, "a name that is invalid"),
    ],
)
def test_the_doctor_examines_the_keys_of_a_function(
    old_key: Simulator, configure: Configure, keys: Any, says: str
) -> None:
    configure(API_KEYS=lambda: keys, ALLOW_TEST_KEY=False)

    found = list(examine_telroi())

    assert any(says in finding.says for finding in found if finding.level == "bad"), found


def test_the_doctor_examines_each_key_of_a_rotation_also_if_one_cannot_be_sent(
    old_key: Simulator, configure: Configure
) -> None:
    configure(API_KEYS={"default": ["tlr_live_ne w", OLD]})

    says = [finding.says for finding in examine_telroi()]

    assert says[0].startswith("default: The key is invalid.")
    assert any(each.startswith("default, old key: Telroi accepts the key") for each in says)


@pytest.mark.parametrize(
    ("secrets", "id_"),
    [
        ({"default": ["whsec_a"], "shop": ["whsec_a"]}, "telroi.E045"),
        ({"default": ["whsec_a"], "shopp": ["whsec_b"]}, "telroi.W047"),
        (["whsec_a"], "telroi.E044"),
    ],
)
def test_the_doctor_examines_the_secrets_of_a_function(
    old_key: Simulator, configure: Configure, secrets: Any, id_: str
) -> None:
    old_key.add_key("tlr_live_shop")
    configure(API_KEYS={"default": OLD, "shop": "tlr_live_shop"}, WEBHOOK_SECRETS=lambda: secrets)

    found = [finding for finding in examine_telroi() if finding.figures.get("id") == id_]

    assert len(found) == 1
    assert "whsec_" not in str(found).replace("whsec_…", "")


def test_the_doctor_reports_a_function_of_secrets_that_fails(old_key: Simulator, configure: Configure) -> None:
    configure(API_KEYS={"default": OLD}, WEBHOOK_SECRETS=lambda: 1 / 0)

    says = [finding.says for finding in examine_telroi() if finding.level == "bad"]

    assert says == ["WEBHOOK_SECRETS cannot be read: ZeroDivisionError. Every webhook gets a 503."]
