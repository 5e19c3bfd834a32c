"""The list of attempts: effective statuses, filters without counts, searches that are not logged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi.admin.shared import lists
from django_telroi.admin.shared.marks import TONES, span
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import html_of, shows_a_whole_number, url
from tests.services.conftest import Configure
from tests.services.world import NUMBER, OTHER_NUMBER

pytestmark = pytest.mark.django_db

LIST = "verificationattempt"


def make(number: str = NUMBER, **fields: Any) -> VerificationAttempt:
    phone, _ = PhoneNumber.objects.get_or_create(number=number, defaults={"last4": number[-4:], "region": "NG"})
    now = timezone.now()
    given = {
        "phone": phone,
        "last4": phone.last4,
        "region": "NG",
        "status": Status.VERIFIED,
        "dispatch": "inline",
        "max_tries": 3,
        "created_at": now,
        "expires_at": now + timedelta(minutes=5),
    }
    return VerificationAttempt.objects.create(**(given | fields))


def found(client: Client, **query: str) -> list[int]:
    page = client.get(url(LIST, "changelist"), query)
    assert page.status_code == 200
    return [row.pk for row in page.context["cl"].result_list]


@pytest.fixture
def viewer(client: Client) -> Client:
    """Not a superuser, so the permissions are read from the database too."""
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_", content_type__app_label="django_telroi")
    )
    client.force_login(user)
    return client


class TestAList:
    """The texts of each attempt."""

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.DIALING, Status.PLACED, Status.UNKNOWN])
    def test_shows_the_effective_status_of_overdue_rows_and_writes_nothing(self, staff: Client, status: Status) -> None:
        long_ago = timezone.now() - timedelta(hours=1)
        row = make(status=status, created_at=long_ago, expires_at=long_ago, due_at=long_ago)

        assert ">expired<" in html_of(staff, url(LIST, "changelist"))
        assert found(staff, status__exact="expired") == [row.pk]
        assert found(staff, status__exact=status) == []
        row.refresh_from_db()
        assert row.status == status

    def test_shows_errors_tries_and_durations_as_text(self, staff: Client) -> None:
        now = timezone.now()
        make(
            status=Status.FAILED,
            error_code="insufficient_funds",
            tries=1,
            created_at=now,
            placed_at=now + timedelta(seconds=2.25),
            verified_at=now + timedelta(seconds=31),
        )

        html = html_of(staff, url(LIST, "changelist"))

        assert all(
            words in html for words in ("account at the provider is empty", "1 / 3", "2.2 s</bdi> →", "31 s", "failed")
        )

    def test_is_sorted_newest_first_and_cannot_be_sorted_otherwise(self, staff: Client) -> None:
        old = make(created_at=timezone.now() - timedelta(days=2))
        new = make(created_at=timezone.now())
        middle = make(created_at=timezone.now() - timedelta(days=1))

        for order in ({}, {"o": "2"}, {"o": "-1.3"}, {"o": "x"}):
            assert found(staff, **order) == [new.pk, middle.pk, old.pk]

    def test_masks_a_user_name_that_is_the_number(self, staff: Client) -> None:
        make(user=User.objects.create_user(NUMBER))
        make(OTHER_NUMBER, user=User.objects.create_user("0" + OTHER_NUMBER[4:]))

        assert not shows_a_whole_number(html_of(staff, url(LIST, "changelist")))

    def test_has_a_tone_for_every_status(self) -> None:
        assert set(TONES) == set(Status)

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [(-1, "0.0 s"), (0.84, "0.8 s"), (9.99, "9.9 s"), (31.7, "31 s"), (245, "4 min 05 s"), (7900, "2 h 11 min")],
    )
    def test_shows_durations_in_readable_units(self, seconds: float, words: str) -> None:
        start = datetime(2027, 1, 1, tzinfo=UTC)

        assert span(start, start + timedelta(seconds=seconds)) == words


class TestAPage:
    """A page reads only the rows that it shows."""

    @pytest.mark.parametrize("model", [LIST, "verifiedphone"])
    @pytest.mark.parametrize("rows", [1, 150])
    def test_executes_six_statements_for_any_number_of_rows(self, viewer: Client, model: str, rows: int) -> None:
        people = User.objects.bulk_create(User(username=f"u{n}") for n in range(rows))
        first = make()
        VerificationAttempt.objects.bulk_create(
            VerificationAttempt(
                phone=first.phone, user=person, status="verified", max_tries=3, expires_at=first.expires_at
            )
            for person in people
        )
        VerifiedPhone.objects.bulk_create(
            VerifiedPhone(user=person, number=NUMBER, verified_at=first.created_at, attempt=first) for person in people
        )

        with CaptureQueriesContext(connection) as asked:
            html_of(viewer, url(model, "changelist"))

        assert len(asked) <= 6
        assert not [query["sql"] for query in asked if "COUNT(" in query["sql"] or "DISTINCT" in query["sql"]]

    def test_is_followed_by_another_up_to_the_last_page(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        first = make()
        VerificationAttempt.objects.bulk_create(
            VerificationAttempt(phone=first.phone, status="verified", max_tries=3, expires_at=first.expires_at)
            for _ in range(124)
        )
        monkeypatch.setattr(lists, "FARTHEST_ROW", 100)

        pages = [found(staff, p=str(page)) for page in (1, 2)]
        beyond = [staff.get(url(LIST, "changelist"), {"p": page}) for page in ("3", "0", "-1", "99999999999")]

        assert [len(page) for page in pages] == [50, 50]
        assert not set(pages[0]) & set(pages[1])
        assert {reply.status_code for reply in beyond} == {302}
        assert "more than 50 verification attempts" in html_of(staff, url(LIST, "changelist"))

    def test_shows_no_counts_beside_the_filters(self, staff: Client) -> None:
        make()

        assert "_facets" not in html_of(staff, url(LIST, "changelist"))
        with CaptureQueriesContext(connection) as asked:
            staff.get(url(LIST, "changelist"), {"_facets": "True"})
        assert not [query["sql"] for query in asked if "COUNT(" in query["sql"]]


class TestAFilter:
    """Filters use an index, and their choices need no query."""

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ({"status__exact": "locked"}, {"status": "locked"}),
            ({"error_code__exact": "no_reply"}, {"error_code": "no_reply"}),
            ({"purpose__exact": "payout"}, {"purpose": "payout"}),
            ({"purpose__exact": "=cmd"}, {"purpose": "=cmd"}),
            ({"region__exact": "GH"}, {"region": "GH"}),
            ({"livemode__exact": "0"}, {"livemode": False}),
            ({"livemode__exact": "1"}, {"livemode": True}),
        ],
    )
    def test_finds_its_rows(self, staff: Client, query: dict[str, str], fields: dict[str, object]) -> None:
        make()
        row = make(**fields)

        assert found(staff, **query) == [row.pk]

    @pytest.mark.parametrize(("day", "hits"), [("today", [0]), ("yesterday", [1]), ("week", [2, 1, 0])])
    def test_by_day_uses_the_local_day(
        self, staff: Client, settings: Any, site_clock: Any, day: str, hits: list[int]
    ) -> None:
        settings.TIME_ZONE = "Pacific/Kiritimati"
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        ages = (timedelta(0), timedelta(microseconds=1), timedelta(days=6), timedelta(days=6, microseconds=1))
        rows = [make(created_at=midnight - age) for age in reversed(ages)][::-1]

        assert sorted(found(staff, day=day)) == sorted(rows[hit].pk for hit in hits)

    def test_by_day_accepts_a_date(self, staff: Client) -> None:
        row = make(created_at=datetime(2026, 3, 5, 12, tzinfo=UTC))
        make()

        assert found(staff, day="2026-03-05") == [row.pk]

    @pytest.mark.parametrize(
        "query",
        [
            *({"day": day} for day in ("0001-01-01", "9999-12-31", "x", "", "2026-02-30", "'; --")),
            *({"status__exact": "answered"}, {"livemode__exact": "2"}, {"error_code__exact": "x"}),
            *({"phone__id__exact": "x"}, {"phone__id__exact": "9" * 30}, {"phone__id__exact": "²"}, {"found": "x"}),
            *({"region__exact": "<b>"}, {"purpose__exact": "x" * 500}),
        ],
    )
    def test_with_an_invalid_value_finds_nothing(self, staff: Client, query: dict[str, str]) -> None:
        make()

        assert found(staff, **query) == []

    @pytest.mark.parametrize(
        "query",
        [
            "phone__number__startswith=%2B",
            "requester_ip__startswith=1",
            "user__password__startswith=a",
            "uuid__gte=0",
            "telroi_id__gte=a",
        ],
    )
    def test_that_is_unknown_is_rejected(self, staff: Client, query: str) -> None:
        assert staff.get(f"{url(LIST, 'changelist')}?{query}").url == url(LIST, "changelist") + "?e=1"  # type: ignore[attr-defined]

    def test_of_a_number_uses_its_id(self, staff: Client) -> None:
        make(OTHER_NUMBER)
        row = make()

        assert found(staff, phone__id__exact=str(row.phone.pk)) == [row.pk]

    def test_keeps_the_other_filters(self, staff: Client) -> None:
        make()

        html = html_of(staff, url(LIST, "changelist") + "?status__exact=verified")

        assert html.count('<input type="hidden" name="status__exact" value="verified">') == 3

    def test_offers_the_purposes_and_regions_of_the_settings(self, staff: Client, configure: Configure) -> None:
        configure(PURPOSES=["", "payout"], ALLOWED_REGIONS=["NG", "GH"])
        make()

        html = html_of(staff, url(LIST, "changelist"))

        assert "?purpose__exact=payout" in html
        assert html.count('<option value="G') + html.count('<option value="N') == 2


class TestASearch:
    """A search is posted, and the answer does not contain the term."""

    def search(self, client: Client, term: str, model: str = LIST) -> list[int]:
        reply = client.post(url(model, "search"), {"term": term})
        where = reply.headers["Location"]
        assert reply.status_code == 302
        assert not term.strip() or term.strip("+ ") not in where
        page = client.get(where)
        assert not shows_a_whole_number(page.content.decode())
        if "cl" in (page.context or {}):
            return [row.pk for row in page.context["cl"].result_list]
        return [page.context["original"].pk]

    @pytest.mark.parametrize(
        "term",
        [NUMBER, "+234 803 123 4567", "4567", "••• 4567", "ada", " ada ", "7d6dc9a4-1111-4222-8333-444455556666"],
    )
    def test_finds_by_number_digits_user_and_ids(self, staff: Client, term: str) -> None:
        make(OTHER_NUMBER)
        row = make(user=User.objects.create_user("ada"), telroi_id="7d6dc9a4-1111-4222-8333-444455556666")

        assert self.search(staff, term) == [row.pk]

    def test_finds_by_the_public_id(self, staff: Client) -> None:
        make(OTHER_NUMBER)
        row = make()

        assert self.search(staff, str(row.uuid)) == [row.pk]

    @pytest.mark.parametrize("term", [NUMBER, "4567", "ada"])
    def test_finds_verified_phones(self, staff: Client, term: str) -> None:
        now = timezone.now()
        make()
        ben = User.objects.create_user("ben")
        VerifiedPhone.objects.create(user=ben, number=OTHER_NUMBER, verified_at=now)
        phone = VerifiedPhone.objects.create(user=User.objects.create_user("ada"), number=NUMBER, verified_at=now)

        assert self.search(staff, term, "verifiedphone") == [phone.pk]

    def test_stores_no_number_in_the_session(self, staff: Client) -> None:
        make(user=User.objects.create_user("ada"))
        VerifiedPhone.objects.create(user=User.objects.get(username="ada"), number=NUMBER, verified_at=timezone.now())

        for model in (LIST, "verifiedphone"):
            for term in (NUMBER, "4567", "ada"):
                staff.post(url(model, "search"), {"term": term})

        assert not shows_a_whole_number(str(dict(staff.session)))


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="the words are SQLite's, the planner that needs the most help"
)
@pytest.mark.parametrize("status", [Status.EXPIRED, Status.VERIFIED, Status.FAILED, Status.QUEUED])
def test_rows_are_not_sorted_by_status_after_the_query(viewer: Client, status: Status) -> None:
    page = viewer.get(url(LIST, "changelist"), {"status__exact": status})

    assert "ORDER BY" not in page.context["cl"].queryset[:101].explain()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words are SQLite's")
@pytest.mark.parametrize("live", ["0", "1"])
def test_calls_with_a_test_key_are_found_by_their_index(viewer: Client, live: str) -> None:
    page = viewer.get(url(LIST, "changelist"), {"livemode__exact": live})

    assert "telroi_attempt_by_mode" in page.context["cl"].queryset[:101].explain()
