"""Several API keys in the admin: filter, page of an attempt, export and overview. One key shows nothing of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi.backends import get_backend, key_of
from django_telroi.models import AttemptEvent, EventKind
from django_telroi.services.shared.site_control import PauseReason, pause_calls
from django_telroi.simulator import Simulator
from tests.admin.admin_pages import html_of, url
from tests.admin.test_attempts_list import found, make
from tests.admin.test_overview import call, exported, page_of, table
from tests.services.conftest import Configure

pytestmark = pytest.mark.django_db

LIST = "verificationattempt"
KEYS = {"ada": "tlr_live_ada", "ben": "tlr_live_ben"}


def fails() -> dict[str, str]:
    raise OSError("tlr_live_secret")


def filters(client: Client) -> set[str]:
    page = client.get(url(LIST, "changelist"))
    return {getattr(spec, "parameter_name", "") for spec in page.context["cl"].filter_specs}


class TestTheList:
    """The list of attempts."""

    def test_has_a_filter_for_the_key(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        ada, ben = make(key_name="ada"), make(key_name="ben")

        assert found(staff, key_name__exact="ada") == [ada.pk]
        assert found(staff, key_name__exact="ben") == [ben.pk]
        assert found(staff, key_name__exact="Ada") == []
        assert ">ada</a>" in html_of(staff, url(LIST, "changelist"))

    def test_of_one_key_has_none(self, staff: Client, telroi: Simulator) -> None:
        make()

        assert "key_name__exact" not in filters(staff)

    def test_works_although_the_keys_cannot_be_read(
        self, staff: Client, telroi: Simulator, configure: Configure
    ) -> None:
        configure(API_KEYS=fails)
        row = make(key_name="ada")

        assert found(staff, key_name__exact="ada") == [row.pk]
        assert "ada" in html_of(staff, url(LIST, "change", row.pk))

    def test_the_filter_uses_its_index(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        make(key_name="ada")

        with CaptureQueriesContext(connection) as queries:
            found(staff, key_name__exact="ada")

        [listed] = [each["sql"] for each in queries if "ORDER BY" in each["sql"] and "key_name" in each["sql"]]
        assert "created_at" in listed.split("ORDER BY")[1]

    @pytest.mark.parametrize("keys", [KEYS, {}])
    def test_the_export_has_a_column_with_several_keys(
        self, staff: Client, telroi: Simulator, configure: Configure, keys: dict[str, str]
    ) -> None:
        configure(API_KEYS=keys)
        make(key_name="ben")

        response = staff.post(url(LIST, "export"))
        lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]

        assert lines[0].endswith(",key") is bool(keys)
        assert lines[1].endswith(",ben") is bool(keys)


class TestAnAttempt:
    """The page of an attempt."""

    @pytest.mark.parametrize(
        ("chosen", "name", "shown"),
        [
            ({"API_KEYS": KEYS}, "ben", "key_name__exact=ben"),
            ({"API_KEYS": {"ada": "tlr_live_ada"}}, "ben", "not in the settings any more"),
            ({"API_KEYS": {}}, "ben", "not in the settings any more"),
        ],
    )
    def test_shows_its_key(
        self,
        staff: Client,
        telroi: Simulator,
        configure: Configure,
        chosen: dict[str, Any],
        name: str,
        shown: str,
    ) -> None:
        configure(**chosen)
        row = make(key_name=name)

        assert shown in html_of(staff, url(LIST, "change", row.pk))

    def test_of_a_site_with_one_key_shows_none(self, staff: Client, telroi: Simulator) -> None:
        row = make()

        assert "key_name" not in html_of(staff, url(LIST, "change", row.pk))

    def test_explains_that_its_key_was_removed(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        row = make(key_name="carol", status="failed", error_code="key_removed")

        assert "removed from the settings before the call was placed" in html_of(staff, url(LIST, "change", row.pk))


class TestTheOverview:
    """The figures of each key."""

    def test_counts_the_calls_of_each_key(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        for name in ("ada", "ben", "ben"):
            call(key_name=name)
        call(key_name="ben", ago=timedelta(hours=30))

        rows = table(page_of(staff), "keys")

        assert [row[:3] for row in rows] == [["ben", "2", "1"], ["ada", "1", "0"]]
        lines = [(line["name"], line["value"]) for line in exported(staff) if line["part"] == "key"]
        assert ("ben", "2") in lines

    def test_of_one_key_has_no_such_table_and_no_query_for_it(self, staff: Client, telroi: Simulator) -> None:
        call()

        with CaptureQueriesContext(connection) as queries:
            page = page_of(staff)

        assert page.select("section[aria-labelledby=telroi-keys]") == []
        grouped = [each["sql"] for each in queries if "GROUP BY" in each["sql"]]
        assert [sql for sql in grouped if "key_name" in sql.split("GROUP BY")[1]] == []

    def test_names_each_key_that_is_paused(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        until = timezone.now() + timedelta(seconds=40)
        for name in KEYS:
            pause_calls(PauseReason.KEY_LIMITED, until=until, key=key_of(get_backend(name)), using="default")

        notices = [notice.text for notice in page_of(staff).select(".telroi-wait")]

        assert [notice.split(" wait ")[0] for notice in notices] == [
            "All calls with the key ada",
            "All calls with the key ben",
        ]

    def test_names_the_key_of_an_alert(self, staff: Client, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEYS=KEYS)
        AttemptEvent.objects.create(kind=EventKind.ALERT, at=timezone.now(), detail="insufficient_funds ben")

        assert table(page_of(staff), "alerts")[0][0] == "ben: The account at the provider is empty. Top it up."
