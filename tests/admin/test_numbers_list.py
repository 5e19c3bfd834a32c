"""The list shows the state of every number under the current settings, with the same statements for many rows."""

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
from tests.conftest import IS_ENCRYPTED
from tests.services.conftest import Configure
from tests.services.world import NUMBER, statements

pytestmark = pytest.mark.django_db

LIST = "phonenumber", "changelist"


def found(client: Client, query: str = "") -> list[int]:
    page = client.get(f"{url(*LIST)}?{query}")
    assert page.status_code == 200, query
    return [row.pk for row in page.context["cl"].result_list]


class TestState:
    """A label that is computed from the row."""

    def test_is_shown_as_text(self, staff: Client) -> None:
        every_state()

        html = html_of(staff, url(*LIST))

        for words in ("free<", "cooling down<", "hour full<", "day full<", "held<", "by the provider", "blocked<"):
            assert words in html
        assert "ring-bombing" in html

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

    def test_follows_a_changed_setting_at_once(self, staff: Client, configure: Configure) -> None:
        phones = every_state()

        configure(CALLS_PER_HOUR=20, CALLS_PER_DAY=21, COOLDOWN_SECONDS=1800)

        assert not found(staff, "state=full")
        assert set(found(staff, "state=cooldown")) == {phones[name].pk for name in ("cooldown", "hour", "day")}

    def test_of_several_limits_is_the_longest_one(self, staff: Client) -> None:
        busy = number("0007", minutes_ago=[59.9, 40, 30, 20, 0.1])

        page = staff.get(url(*LIST))

        assert page.context["cl"].result_list[0].number_status.rule == "cooldown"
        assert found(staff, "state=cooldown") == [busy.pk]
        assert not found(staff, "state=full")

    def test_escapes_html_in_a_reason(self, staff: Client) -> None:
        number("0008", blocked='<img src=x onerror="alert(1)">')

        assert "<img src=x" not in html_of(staff, url(*LIST))


class TestTheOtherFilters:
    """The filters by region, block and verification."""

    def test_offer_the_regions_in_use(self, staff: Client) -> None:
        number("0001", region="NG")
        ghana = number("0002", region="GH")
        nowhere = number("0003", region="")

        html = html_of(staff, url(*LIST))

        assert all(f"region__exact={region}" in html for region in ("NG", "GH", "-"))
        assert "region__exact=US" not in html
        assert found(staff, "region__exact=GH") == [ghana.pk]
        assert found(staff, "region__exact=-") == [nowhere.pk]
        assert found(staff, "region__exact=US") == []

    def test_find_verified_numbers(self, staff: Client, grace: User) -> None:
        verified, other = number("0001"), number("0002")
        VerifiedPhone.objects.create(user=grace, number=verified.number, verified_at=timezone.now())

        assert found(staff, "verified=yes") == [verified.pk]
        assert found(staff, "verified=no") == [other.pk]

    def test_find_blocked_numbers(self, staff: Client) -> None:
        blocked, other = number("0001", blocked="x"), number("0002")

        assert found(staff, "blocked_at__isempty=0") == [blocked.pk]
        assert found(staff, "blocked_at__isempty=1") == [other.pk]

    @pytest.mark.parametrize("query", ["state=x", "region__exact='", "blocked_at__isempty=x", "verified=x", "state="])
    def test_with_an_invalid_value_find_nothing(self, staff: Client, query: str) -> None:
        """As the filters of attempts do. All rows would look like a result."""
        number("0001")
        number("0002", blocked="x")

        assert found(staff, query) == []

    def test_show_an_invalid_value(self, staff: Client) -> None:
        assert ">&lt;i&gt;</a>" in html_of(staff, f"{url(*LIST)}?state=%3Ci%3E")

    def test_ignore_an_invalid_order(self, staff: Client) -> None:
        number("0001")

        assert staff.get(f"{url(*LIST)}?o=9.x.-2").status_code == 200


class TestOrder:
    """The list is ordered by one indexed column."""

    @pytest.mark.parametrize("query", ["o=4", "o=5"])
    def test_matches_the_index(self, staff: Client, query: str) -> None:
        """Columns 4 and 5 are the next and the last call. Equal rows are ordered by id in the same direction."""
        late, early, same = (number(f"000{n}", minutes_ago=[ago]) for n, ago in ((1, 2), (2, 200), (3, 200)))
        PhoneNumber.objects.filter(pk=same.pk).update(last_call_at=early.last_call_at, next_call_at=early.next_call_at)

        assert found(staff, query) == [early.pk, same.pk, late.pk]
        assert found(staff, query.replace("=", "=-")) == [late.pk, same.pk, early.pk]

    def test_accepts_one_column_only(self, staff: Client) -> None:
        number("0001")

        with statements() as seen:
            found(staff, "o=4.-5")

        (sql,) = [sql for sql in seen if "right_code_at" in sql]
        order = sql.rpartition("ORDER BY")[2]
        assert "last_call_at" not in order
        assert order.count(" ASC") == 2


class TestTheLastVerification:
    """The last verification is known with or without an account, also after a purge."""

    def test_is_counted_without_an_account(self, staff: Client) -> None:
        attempt = services.start_verification(NUMBER)
        services.check_code(attempt.uuid, last_code_for(NUMBER))
        attempt.refresh_from_db()

        page = staff.get(url(*LIST))

        assert [row.last_verified_at for row in page.context["cl"].result_list] == [attempt.verified_at]
        assert not VerifiedPhone.objects.exists()

    def test_stays_after_its_attempt_is_deleted_and_the_newest_is_shown(self, staff: Client, grace: User) -> None:
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
    """The list executes at most six queries, and one for the blocks with encrypted numbers. None counts the table."""

    MOST = 7 if IS_ENCRYPTED else 6

    @pytest.mark.parametrize("count", [1, 12])
    def test_is_the_same_for_many_rows(self, staff: Client, count: int, grace: User) -> None:
        for last in range(count):
            phone = number(f"1{last:03}", minutes_ago=[1])
            VerifiedPhone.objects.create(user=grace, number=phone.number, verified_at=timezone.now())

        with statements() as seen:
            html = html_of(staff, url(*LIST))

        assert len(seen) <= self.MOST, seen
        assert html.count('class="field-last_call') == count

    def test_is_the_same_for_an_operator(self) -> None:
        operator = client_with("view_phonenumber", "view_overview", "stop_calls", "block_number")
        number("0001")
        html_of(operator, url(*LIST))

        with statements() as seen:
            html_of(operator, url(*LIST))

        assert len(seen) <= self.MOST, seen

    @pytest.mark.parametrize("rows", [2, 3])
    def test_reads_only_the_rows_that_are_shown(
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


def test_a_viewer_sees_the_list_without_staff_actions(db: None) -> None:
    number("0001")

    html = html_of(client_with("view_phonenumber"), url(*LIST))

    assert "block_selected" not in html
    assert "stop-calls" not in html


@pytest.mark.parametrize("language", ["ar", "he", "de"])
def test_the_list_renders_in_other_languages(staff: Client, settings: Any, language: str) -> None:
    every_state()
    settings.LANGUAGE_CODE = language

    with translation.override(language):
        html = html_of(staff, url(*LIST))

    assert f'dir="{"ltr" if language == "de" else "rtl"}"' in html
    assert 'class="telroi-number" dir="ltr"' in html
