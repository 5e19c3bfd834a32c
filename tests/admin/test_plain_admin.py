"""Staff can view every number and attempt, masked, and cannot change them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_telroi import services
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.admin.admin_pages import html_of, shows_a_whole_number, url
from tests.services.world import OTHER_NUMBER, let_time_pass

pytestmark = pytest.mark.django_db

MODELS = ("phonenumber", "verificationattempt", "verifiedphone")


@pytest.mark.usefixtures("site_clock", "attempt")
class TestAList:
    """Each row is one masked line. The test clock is at noon, so no midnight is near."""

    @pytest.mark.parametrize("model", MODELS)
    def test_renders_without_a_full_number(self, staff: Client, model: str) -> None:
        html = html_of(staff, url(model, "changelist"))

        assert "+234 803 ••• 4567".replace(" ", "\N{NO-BREAK SPACE}") in html
        assert not shows_a_whole_number(html)

    def test_shows_the_state_of_a_number(self, staff: Client) -> None:
        html = html_of(staff, url("phonenumber", "changelist"))

        assert "cooling down" in html
        assert "2 phone numbers" in html

    def test_shows_no_limit_that_is_over(self, staff: Client) -> None:
        let_time_pass(61)

        assert "cooling down" not in html_of(staff, url("phonenumber", "changelist"))

    def test_shows_the_status_of_attempts(self, staff: Client) -> None:
        html = html_of(staff, url("verificationattempt", "changelist"))

        assert "outcome unknown" in html
        assert "carrier did not confirm" in html

    @pytest.mark.parametrize(
        ("model", "query", "found"),
        [
            ("phonenumber", "region__exact=NG", 2),
            ("phonenumber", "blocked_at__isempty=0", 1),
            ("verificationattempt", "status__exact=verified", 1),
            ("verificationattempt", "error_code__exact=call_failed", 1),
            ("verificationattempt", "error_code=call_failed", 1),
            ("verificationattempt", "livemode__exact=1", 1),
            ("verificationattempt", "purpose__exact=payout", 1),
            ("verificationattempt", "region__exact=NG", 2),
            ("verificationattempt", "day=today", 2),
            ("verificationattempt", "day=yesterday", 0),
        ],
    )
    def test_can_be_filtered(self, staff: Client, model: str, query: str, found: int) -> None:
        page = staff.get(f"{url(model, 'changelist')}?{query}")

        assert (page.status_code, page.context["cl"].result_count) == (200, found)

    @pytest.mark.parametrize("model", MODELS)
    def test_shows_no_full_number_in_a_popup(self, staff: Client, model: str) -> None:
        page = staff.get(url(model, "changelist"), {"_popup": "1", "_to_field": "number"})

        assert not shows_a_whole_number(page.content.decode())

    @pytest.mark.parametrize(
        ("model", "query"),
        [
            ("phonenumber", "number__startswith=%2B23480312"),
            ("phonenumber", "number__gte=%2B23480312"),
            ("phonenumber", "calls__contains=2026"),
            ("verificationattempt", "phone__gte=%2B23480312"),
            ("verificationattempt", "phone__number__startswith=%2B23480312"),
            ("verifiedphone", "number__startswith=%2B23480312"),
        ],
    )
    def test_cannot_be_used_to_guess_a_number_digit_by_digit(self, staff: Client, model: str, query: str) -> None:
        page = staff.get(f"{url(model, 'changelist')}?{query}")

        assert (page.status_code, page.url) == (302, url(model, "changelist") + "?e=1")  # type: ignore[attr-defined]

    @pytest.mark.parametrize(
        ("model", "query"),
        [
            *(("phonenumber", query) for query in ("region=DE", "id=1", "foo=bar")),
            *(("verificationattempt", "created_at=2026-11-29"), ("verifiedphone", "foo=bar")),
        ],
    )
    def test_says_that_a_parameter_is_no_filter(self, staff: Client, model: str, query: str) -> None:
        page = staff.get(f"{url(model, 'changelist')}?{query}", follow=True)

        assert page.redirect_chain == [(url(model, "changelist") + "?e=1", 302)]
        assert "The list has no such filter. It shows all rows." in page.content.decode()

    @pytest.mark.parametrize("status", Status)
    def test_shows_an_attempt_in_any_status(self, staff: Client, status: str) -> None:
        VerificationAttempt.objects.update(status=status)

        assert html_of(staff, url("verificationattempt", "changelist"))

    @pytest.mark.parametrize("model", MODELS)
    def test_executes_the_same_statements_for_many_rows(
        self, staff: Client, model: str, telroi: Simulator, grace: User, django_assert_max_num_queries: object
    ) -> None:
        for last in range(8):
            attempt = services.start_verification(f"+23480312345{last}1", user=grace)
            services.check_code(attempt.uuid, telroi.calls[-1].code, user=grace)

        with django_assert_max_num_queries(12):  # type: ignore[operator]
            html_of(staff, url(model, "changelist"))


class TestADetailPage:
    """The page shows everything except the full number."""

    def test_of_a_number_shows_its_limits_and_its_block(self, staff: Client, attempt: VerificationAttempt) -> None:
        phone = PhoneNumber.objects.get(number=OTHER_NUMBER)

        html = html_of(staff, url("phonenumber", "change", phone.pk))

        assert "asked us to" in html
        assert not shows_a_whole_number(html)

    @pytest.mark.codes("telroi")
    def test_of_an_attempt_shows_its_events(self, staff: Client, attempt: VerificationAttempt) -> None:
        html = html_of(staff, url("verificationattempt", "change", attempt.pk))

        assert all(word in html for word in ("wrong code", "code not judged", "203.0.113.7", "payout", "verified"))
        assert not shows_a_whole_number(html)

    def test_of_an_attempt_escapes_telrois_texts(self, staff: Client, attempt: VerificationAttempt) -> None:
        other = VerificationAttempt.objects.get(phone__number=OTHER_NUMBER)

        html = html_of(staff, url("verificationattempt", "change", other.pk))

        assert "&lt;b&gt;no route&lt;/b&gt; to [hidden]" in html
        assert not shows_a_whole_number(html)

    def test_of_a_verified_phone_shows_its_user(self, staff: Client, attempt: VerificationAttempt) -> None:
        html = html_of(staff, url("verifiedphone", "change", VerifiedPhone.objects.get().pk))

        assert "grace" in html
        assert not shows_a_whole_number(html)

    @pytest.mark.parametrize("model", MODELS)
    def test_has_a_history_without_the_number(self, staff: Client, attempt: VerificationAttempt, model: str) -> None:
        row = {"phonenumber": PhoneNumber, "verificationattempt": VerificationAttempt, "verifiedphone": VerifiedPhone}
        pk = row[model]._default_manager.latest("pk").pk

        assert not shows_a_whole_number(html_of(staff, url(model, "history", pk)))


@pytest.mark.parametrize("model", MODELS)
class TestNoUser:
    """No user can change rows, with any permissions."""

    def test_can_add(self, staff: Client, attempt: VerificationAttempt, model: str) -> None:
        assert staff.get(url(model, "add")).status_code == 403
        assert staff.post(url(model, "add"), {"number": "+447400123456"}).status_code == 403

    def test_can_change_or_delete(self, staff: Client, attempt: VerificationAttempt, model: str) -> None:
        row = {"phonenumber": PhoneNumber, "verificationattempt": VerificationAttempt, "verifiedphone": VerifiedPhone}
        before = list(row[model]._default_manager.order_by("pk").values())
        pk = before[0]["id"]

        codes = [
            staff.post(url(model, "change", pk), {"status": "verified", "number": "+447400123456"}).status_code,
            staff.get(url(model, "delete", pk)).status_code,
            staff.post(url(model, "delete", pk), {"post": "yes"}).status_code,
        ]
        staff.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})

        assert codes == [403, 403, 403]
        assert list(row[model]._default_manager.order_by("pk").values()) == before

    def test_is_offered_a_link_to_it(self, staff: Client, attempt: VerificationAttempt, model: str) -> None:
        html = html_of(staff, url(model, "changelist"))

        assert url(model, "add") not in html
        assert "delete_selected" not in html

    def test_without_permission_sees_a_page(self, client: Client, attempt: VerificationAttempt, model: str) -> None:
        ben = User.objects.create_user("ben", is_staff=True)
        client.force_login(ben)
        refused = client.get(url(model, "changelist")).status_code
        ben.user_permissions.add(Permission.objects.get(codename=f"view_{model}"))

        assert (refused, client.get(url(model, "changelist")).status_code) == (403, 200)


def test_an_overdue_attempt_is_still_shown(staff: Client, attempt: VerificationAttempt) -> None:
    let_time_pass(400)

    assert html_of(staff, url("verificationattempt", "change", VerificationAttempt.objects.latest("pk").pk))
