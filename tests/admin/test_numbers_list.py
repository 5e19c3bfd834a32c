"""The list says how every number stands, by the settings of this moment, and costs the same for many rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

from django_telroi import services
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.testing import last_code_for
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, every_state, number
from tests.services.conftest import Configure
from tests.services.world import NUMBER, statements

pytestmark = pytest.mark.django_db

LIST = "phonenumber", "changelist"


def found(client: Client, query: str = "") -> list[int]:
    page = client.get(f"{url(*LIST)}?{query}")
    assert page.status_code == 200, query
    return [row.pk for row in page.context["cl"].result_list]


class TestState:
    """A chip with words, computed from the row."""

    def test_is_said_in_words(self, staff: Client) -> None:
        every_state()

        html = html_of(staff, url(*LIST))

        for words in ("free<", "cooling down 0:4", "hour full until", "day full until", "held by Telroi until"):
            assert words in html
        assert "blocked: ring-bombing" in html

    @pytest.mark.parametrize(
        ("state", "names"),
        [
            ("free", {"free"}),
            ("limited", {"cooldown", "hour", "day", "held"}),
            ("cooldown", {"cooldown"}),
            ("full", {"hour", "day"}),
            ("held", {"held"}),
            ("blocked", {"blocked"}),
        ],
    )
    def test_is_filtered(self, staff: Client, state: str, names: set[str]) -> None:
        phones = every_state()

        assert set(found(staff, f"state={state}")) == {phones[name].pk for name in names}

    def test_is_right_at_once_when_a_setting_changes(self, staff: Client, configure: Configure) -> None:
        phones = every_state()

        configure(CALLS_PER_HOUR=20, CALLS_PER_DAY=21, COOLDOWN_SECONDS=1800)

        assert not found(staff, "state=full")
        assert set(found(staff, "state=cooldown")) == {phones[name].pk for name in ("cooldown", "hour", "day")}

    def test_that_bars_longest_is_the_one_that_is_filtered(self, staff: Client) -> None:
        busy = number("0007", minutes_ago=[59.9, 40, 30, 20, 0.1])

        page = staff.get(url(*LIST))

        assert page.context["cl"].result_list[0].number_status.rule == "cooldown"
        assert found(staff, "state=cooldown") == [busy.pk]
        assert not found(staff, "state=full")

    def test_shows_a_reason_full_of_html_as_words(self, staff: Client) -> None:
        number("0008", blocked='<img src=x onerror="alert(1)">')

        assert "<img src=x" not in html_of(staff, url(*LIST))


class TestTheOtherFilters:
    """Region, block and verification."""

    def test_offer_the_regions_that_there_are(self, staff: Client) -> None:
        number("0001", region="NG")
        ghana = number("0002", region="GH")
        nowhere = number("0003", region="")

        html = html_of(staff, url(*LIST))

        assert all(f"region__exact={region}" in html for region in ("NG", "GH", "-"))
        assert "region__exact=US" not in html
        assert found(staff, "region__exact=GH") == [ghana.pk]
        assert found(staff, "region__exact=-") == [nowhere.pk]
        assert found(staff, "region__exact=US") == []

    def test_find_whom_somebody_answered(self, staff: Client, grace: User) -> None:
        verified, other = number("0001"), number("0002")
        VerifiedPhone.objects.create(user=grace, number=verified.number, verified_at=timezone.now())

        assert found(staff, "verified=yes") == [verified.pk]
        assert found(staff, "verified=no") == [other.pk]

    def test_find_the_blocked(self, staff: Client) -> None:
        blocked, other = number("0001", blocked="x"), number("0002")

        assert found(staff, "blocked_at__isempty=0") == [blocked.pk]
        assert found(staff, "blocked_at__isempty=1") == [other.pk]

    @pytest.mark.parametrize("query", ["state=x", "region__exact='", "blocked_at__isempty=x", "verified=x", "o=9.x.-2"])
    def test_survive_nonsense(self, staff: Client, query: str) -> None:
        number("0001")

        assert staff.get(f"{url(*LIST)}?{query}").status_code == 200


class TestOrder:
    """By one indexed column at a time."""

    @pytest.mark.parametrize("query", ["o=4", "o=5"])
    def test_runs_the_way_the_index_does(self, staff: Client, query: str) -> None:
        """Columns 4 and 5 are the next and the last call; equals are ordered by id in the same direction."""
        late, early, same = (number(f"000{n}", minutes_ago=[ago]) for n, ago in ((1, 2), (2, 200), (3, 200)))
        PhoneNumber.objects.filter(pk=same.pk).update(last_call_at=early.last_call_at, next_call_at=early.next_call_at)

        assert found(staff, query) == [early.pk, same.pk, late.pk]
        assert found(staff, query.replace("=", "=-")) == [late.pk, same.pk, early.pk]

    def test_takes_one_column_only(self, staff: Client) -> None:
        number("0001")

        with statements() as seen:
            found(staff, "o=4.-5")

        (sql,) = [sql for sql in seen if "right_code_at" in sql]
        order = sql.rpartition("ORDER BY")[2]
        assert "last_call_at" not in order
        assert order.count(" ASC") == 2


class TestTheLastVerification:
    """With or without an account, purged or not."""

    def test_counts_without_an_account(self, staff: Client) -> None:
        attempt = services.start_verification(NUMBER)
        services.check_code(attempt.uuid, last_code_for(NUMBER))
        attempt.refresh_from_db()

        page = staff.get(url(*LIST))

        assert [row.last_verified_at for row in page.context["cl"].result_list] == [attempt.verified_at]
        assert not VerifiedPhone.objects.exists()

    def test_outlives_its_attempt_in_the_account_and_the_newest_is_shown(self, staff: Client, grace: User) -> None:
        phone, moment = number("0001"), timezone.now()
        VerifiedPhone.objects.create(user=grace, number=phone.number, verified_at=moment)

        def shown() -> list[datetime | None]:
            return [row.last_verified_at for row in staff.get(url(*LIST)).context["cl"].result_list]

        assert shown() == [moment]
        later = moment + timedelta(minutes=1)
        for status, verified_at in (("verified", later), ("expired", None)):
            VerificationAttempt.objects.create(
                phone=phone, status=status, verified_at=verified_at, max_tries=3, expires_at=moment
            )
        assert shown() == [later]


class TestCost:
    """At most six queries, none of which counts the table."""

    @pytest.mark.parametrize("count", [1, 12])
    def test_is_the_same_for_many_rows(self, staff: Client, count: int, grace: User) -> None:
        for last in range(count):
            phone = number(f"1{last:03}", minutes_ago=[1])
            VerifiedPhone.objects.create(user=grace, number=phone.number, verified_at=timezone.now())

        with statements() as seen:
            html = html_of(staff, url(*LIST))

        assert len(seen) <= 6, seen
        assert html.count("min ago") + html.count("s ago") >= count

    def test_is_no_more_for_an_operator_whose_rights_are_read_too(self) -> None:
        operator = client_with("view_phonenumber", "view_overview", "stop_calls", "block_number")
        number("0001")
        html_of(operator, url(*LIST))

        with statements() as seen:
            html_of(operator, url(*LIST))

        assert len(seen) <= 6, seen

    @pytest.mark.parametrize("rows", [2, 3])
    def test_counts_no_row_that_it_does_not_show(
        self, staff: Client, monkeypatch: pytest.MonkeyPatch, rows: int
    ) -> None:
        monkeypatch.setattr("django_telroi.admin.PhoneNumberAdmin.list_per_page", 2)
        for last in range(rows):
            number(f"000{last}")

        with statements() as seen:
            html = html_of(staff, url(*LIST))

        assert ("2 phone numbers" if rows == 2 else "more than 2 phone numbers") in html
        assert not [sql for sql in seen if "COUNT(" in sql]
        assert staff.get(f"{url(*LIST)}?p=2").status_code == (200 if rows == 3 else 302)


def test_a_viewer_sees_the_list_and_no_staff_action(db: None) -> None:
    number("0001")

    html = html_of(client_with("view_phonenumber"), url(*LIST))

    assert "block_selected" not in html
    assert "stop-calls" not in html


@pytest.mark.parametrize("language", ["ar", "he", "de"])
def test_the_list_is_drawn_in_other_languages(staff: Client, settings: Any, language: str) -> None:
    every_state()
    settings.LANGUAGE_CODE = language

    with translation.override(language):
        html = html_of(staff, url(*LIST))

    assert f'dir="{"ltr" if language == "de" else "rtl"}"' in html
    assert 'class="telroi-number" dir="ltr"' in html
