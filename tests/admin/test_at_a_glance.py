"""Lists are read at a glance: one format of times, names of countries, short chips, and nothing that is not true."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone, translation

import django_telroi
from django_telroi import services
from django_telroi.admin.attempts.timeline import timeline
from django_telroi.admin.shared.chips import moment_in_sentence, moment_words, region_name, zone_words
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import every_state, number
from tests.admin.test_attempts_list import make
from tests.admin.test_timeline import attempt, event
from tests.services.conftest import Configure

pytestmark = pytest.mark.django_db

MODELS = ("phonenumber", "verificationattempt", "verifiedphone")
NOW = datetime(2026, 11, 26, 21, tzinfo=UTC)
STYLES = Path(django_telroi.__file__).parent / "static" / "telroi"


class TestATime:
    """24 hours, relative to today."""

    @pytest.mark.parametrize("language", ["en", "de", "ar"])
    def test_has_24_hours_in_every_language(self, language: str) -> None:
        with translation.override(language), timezone.override("UTC"):
            assert moment_in_sentence(NOW.replace(minute=38), now=NOW) == "21:38"

    @pytest.mark.parametrize(
        ("moment", "words"),
        [
            (NOW.replace(minute=38), "today 21:38"),
            (NOW - timedelta(days=1), "yesterday 21:00"),
            (NOW + timedelta(days=1), "tomorrow 21:00"),
            (NOW - timedelta(days=14), "12\xa0Nov 21:00"),
            (NOW - timedelta(days=365), "26\xa0Nov\xa02025 21:00"),
        ],
    )
    def test_names_the_day(self, moment: datetime, words: str) -> None:
        with timezone.override("UTC"):
            assert moment_words(moment, now=NOW) == words

    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("page", ["changelist", "change"])
    def test_is_followed_by_its_zone_once_a_page(self, staff: Client, settings: Any, model: str, page: str) -> None:
        settings.TIME_ZONE = "Africa/Lagos"
        row = make()
        verified = VerifiedPhone.objects.create(
            user=User.objects.create_user("ada"), number=row.number, verified_at=timezone.now(), attempt=row
        )
        pk = {"phonenumber": row.phone.pk, "verificationattempt": row.pk, "verifiedphone": verified.pk}[model]

        html = html_of(staff, url(model, page, *([pk] if page == "change" else [])))

        assert html.count("Africa/Lagos (WAT)") == 1
        assert not re.search(r"\d (a|p)\.m\.", html)

    @pytest.mark.parametrize(
        "page", ["overview/", "destinations/", "destinations/unblock/?destination=NG", "resume-calls/"]
    )
    def test_has_the_same_format_on_pages_without_a_row(self, staff: Client, settings: Any, page: str) -> None:
        settings.TIME_ZONE = "Africa/Lagos"
        make()
        services.block_destination("NG", reason="an attack", actor="ada", length=timedelta(hours=1))
        services.stop_calls(reason="an attack", actor="ada")

        html = html_of(staff, f"/admin/django_telroi/phonenumber/{page}")

        assert html.count("Africa/Lagos (WAT)") == 1
        assert re.search(r"(today|yesterday|tomorrow) \d\d:\d\d", html)
        assert not re.search(r"\d (a|p)\.m\.|\d{4}, \d", html)

    def test_of_a_period_has_the_same_format_in_the_filter(self, staff: Client) -> None:
        make()
        now = timezone.now()
        span = f"{(now - timedelta(days=1)).isoformat()}--{now.isoformat()}"

        page = staff.get(url("verificationattempt", "changelist"), {"span": span})

        assert re.search(r"yesterday \d\d:\d\d – today \d\d:\d\d", page.content.decode())

    @pytest.mark.parametrize(("zone", "words"), [("UTC", "UTC"), ("Asia/Kathmandu", "Asia/Kathmandu")])
    def test_has_no_zone_of_digits(self, zone: str, words: str) -> None:
        with timezone.override(zone):
            assert zone_words() == words


class TestARegion:
    """The name of the country. Windows draws no flags."""

    def test_is_named(self, staff: Client) -> None:
        every_state()

        html = html_of(staff, url("phonenumber", "changelist"))

        assert "Nigeria" in html
        assert not re.search("[\N{REGIONAL INDICATOR SYMBOL LETTER A}-\N{REGIONAL INDICATOR SYMBOL LETTER Z}]", html)

    def test_is_sorted_by_its_name_in_a_filter(self, staff: Client, configure: Configure) -> None:
        configure(ALLOWED_REGIONS=["NG", "GB", "CI"])

        tree = BeautifulSoup(html_of(staff, url("verificationattempt", "changelist")), "html.parser")

        first, *regions = tree.select("option")
        assert first["value"] == ""  # otherwise the list would look as if it were filtered by the first region
        assert [option.text for option in regions] == ["Côte d'Ivoire", "Nigeria", "United Kingdom"]

    def test_without_a_name_keeps_its_letters(self) -> None:
        assert region_name("QQ") == "QQ"


class TestWhileCallsAreStopped:
    """No number is free."""

    def test_no_row_says_free_or_now(self, staff: Client) -> None:
        every_state()
        services.stop_calls(reason="an attack", actor="grace")

        tree = BeautifulSoup(html_of(staff, url("phonenumber", "changelist")), "html.parser")

        chips = {chip.text for chip in tree.select("#result_list .telroi-chip")}
        assert "free" not in chips
        assert {"calls stopped", "blocked", "held", "hour full"} <= chips
        following = [cell.text for cell in tree.select("#result_list .field-next_call")]
        assert not [words for words in following if words.endswith(" now") or "today" in words]
        assert "after calls are resumed" in following[-1]

    def test_the_page_of_a_number_says_so(self, staff: Client) -> None:
        phone = number("0001")
        services.stop_calls(reason="an attack", actor="grace")

        tree = BeautifulSoup(html_of(staff, url("phonenumber", "change", phone.pk)), "html.parser")

        assert [chip.text for chip in tree.select(".telroi-chip")] == ["calls stopped"]


class TestAWebhook:
    """Telroi's names of events are in plain words."""

    @pytest.mark.parametrize(
        ("detail", "title", "quote"),
        [
            ("otp.completed: was unknown no_reply", "the call was handed to the carrier", "was unknown no_reply"),
            ("otp.completed", "the call was handed to the carrier", ""),
            ("otp.failed: no route: at all", "the call could not be placed", "no route: at all"),
            ("otp.verified: wrong code", "a code was checked", "wrong code"),
            ("otp.of_tomorrow: x", "webhook", "otp.of_tomorrow: x"),
        ],
    )
    def test_never_says_completed(self, detail: str, title: str, quote: str) -> None:
        (entry,) = timeline(attempt(), [event(EventKind.WEBHOOK, 5, detail=detail)])[-1:]

        assert str(entry.title).endswith(title)
        assert entry.quote == quote
        assert "completed" not in str(entry.title)


class TestTheNumberOfAnAttempt:
    """The title line has the number with its actions."""

    def test_is_in_the_title_line_with_its_actions(self, staff: Client, attempt: VerificationAttempt) -> None:
        tree = BeautifulSoup(html_of(staff, url("verificationattempt", "change", attempt.pk)), "html.parser")

        head = tree.select_one(".telroi-head")
        assert head
        assert head.find("a", href=url("phonenumber", "change", attempt.phone.pk))
        assert head.find("a", href=url("phonenumber", "block", attempt.phone.pk))
        assert head.find("form", action=url("phonenumber", "reveal", attempt.phone.pk))


class TestVerifiedPhones:
    """The list is sorted and filtered by the date of the verification."""

    def test_are_sorted_by_date(self, staff: Client) -> None:
        ada, now = User.objects.create_user("ada"), timezone.now()
        numbers = [make(f"+23480312300{n:02}").number for n in range(3)]
        for days, each in zip((2, 0, 1), numbers, strict=True):
            VerifiedPhone.objects.create(user=ada, number=each, verified_at=now - timedelta(days=days))

        page = staff.get(url("verifiedphone", "changelist"))

        assert [row.number for row in page.context["cl"].result_list] == [numbers[1], numbers[2], numbers[0]]

    def test_are_filtered_by_day(self, staff: Client) -> None:
        ada, old = User.objects.create_user("ada"), datetime(2026, 3, 5, 12, tzinfo=UTC)
        VerifiedPhone.objects.create(user=ada, number=make().number, verified_at=timezone.now())
        row = VerifiedPhone.objects.create(user=ada, number=make("+2348031230001").number, verified_at=old)

        page = staff.get(url("verifiedphone", "changelist"), {"day": "2026-03-05"})

        assert [each.pk for each in page.context["cl"].result_list] == [row.pk]

    def test_have_the_label_of_each_column_in_its_cells_for_a_phone(self, staff: Client) -> None:
        """A phone has no head of the list. The first cell is the user, which needs no label."""
        ada = User.objects.create_user("ada")
        VerifiedPhone.objects.create(user=ada, number=make().number, verified_at=timezone.now())

        tree = BeautifulSoup(html_of(staff, url("verifiedphone", "changelist")), "html.parser")

        heads = [each.get_text(strip=True).lower() for each in tree.select("#result_list thead th")]
        cells = tree.select("#result_list tbody tr > *")
        labels = [label.get_text().lower() if (label := cell.select_one(".telroi-label")) else "" for cell in cells]
        assert labels[1:] == heads[1:]
        assert len(labels) == 5


@pytest.mark.parametrize("action", ["block", "move"])
def test_the_first_field_of_a_confirmation_has_the_focus(staff: Client, action: str) -> None:
    phone = number("0001", owner="ada")

    tree = BeautifulSoup(html_of(staff, url("phonenumber", action, phone.pk)), "html.parser")

    (focused,) = tree.select("[autofocus]")
    assert focused["name"] == ("account" if action == "move" else "reason")


def heading_of(html: str, selector: str) -> str:
    (heading,) = BeautifulSoup(html, "html.parser").select(selector)
    return heading.get_text()


class TestOtherAdminThemes:
    """Unfold and Jazzmin replace Django's templates and do not define its CSS variables."""

    @pytest.mark.parametrize("name", ["admin.css", "overview.css"])
    def test_every_variable_has_a_value_without_djangos_stylesheet(self, name: str) -> None:
        defaults = (STYLES / "admin.css").read_text()
        style = (STYLES / name).read_text()

        used = set(re.findall(r"var\((--[a-z-]+)\)", style))
        defined = set(re.findall(r"(--[a-z-]+):", defaults + style))

        assert used <= defined

    def test_the_search_is_in_a_block_that_every_theme_has(self, staff: Client) -> None:
        """Jazzmin's list does not render ``search_form.html``, and its block of the search contains the filters."""
        template = STYLES.parent.parent / "templates" / "admin" / "django_telroi" / "change_list.html"

        assert "{% block search %}" not in template.read_text()
        assert 'action="search/"' in html_of(staff, url("phonenumber", "changelist"))

    def test_a_question_is_the_heading_where_the_theme_leaves_its_own_empty(self, staff: Client, settings: Any) -> None:
        """Jazzmin's base has this heading. Its lists and forms fill the block, which other pages must do too."""
        theirs = "<h3>{% block content_title %}{% endblock %}</h3>"
        (engine,) = (dict(each) for each in settings.TEMPLATES)
        loaders = [
            ("django.template.loaders.locmem.Loader", {"admin/base_site.html": theirs}),
            "django.template.loaders.app_directories.Loader",
        ]
        engine |= {"APP_DIRS": False, "OPTIONS": {**engine["OPTIONS"], "loaders": loaders}}
        page = url("phonenumber", "block", number("0001").pk)
        question = heading_of(html_of(staff, page), "h1")

        settings.TEMPLATES = [engine]

        assert question
        assert heading_of(html_of(staff, page), "h3") == question

    def test_filters_contain_no_form(self, staff: Client) -> None:
        """Jazzmin renders all filters inside a form, and forms cannot be nested."""
        make()

        tree = BeautifulSoup(
            html_of(staff, url("verificationattempt", "changelist") + "?status__exact=verified"), "html.parser"
        )

        filters = tree.select_one("#changelist-filter")
        assert filters
        assert not filters.find("form")
        for field in filters.select("input, select, button"):
            form = tree.find("form", id=str(field["form"]))
            assert form
            assert form.find("input", {"name": "status__exact", "value": "verified"})  # type: ignore[union-attr]


def test_an_event_of_a_webhook_is_still_in_the_timeline(staff: Client, attempt: VerificationAttempt) -> None:
    AttemptEvent.objects.create(attempt=attempt, kind=EventKind.WEBHOOK, detail="otp.completed", at=attempt.created_at)

    html = html_of(staff, url("verificationattempt", "change", attempt.pk))

    assert "the provider reports: the call was handed to the carrier" in html
    assert "completed" not in html
