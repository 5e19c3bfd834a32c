"""The page of one attempt: it is settled before it is read, explains each event, and shows no secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.admin.shared.meanings import ERRORS, MEANINGS
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.services.attempts import find
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.simulator import Simulator
from tests.admin.admin_pages import html_of, shows_a_whole_number, url
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, wrong

pytestmark = pytest.mark.django_db

MODEL = "verificationattempt"


def page_of(client: Client, attempt: VerificationAttempt) -> str:
    return html_of(client, url(MODEL, "change", attempt.pk))


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_verificationattempt"))
    client.force_login(user)
    return client


class TestReading:
    """Reading an overdue attempt settles it first, with the same transition as a sweep."""

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.DIALING, Status.PLACED, Status.UNKNOWN])
    def test_settles_an_overdue_attempt(self, viewer: Client, telroi: Simulator, status: Status) -> None:
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(status=status)
        let_time_pass(1000)

        html = page_of(viewer, attempt)

        attempt.refresh_from_db()
        assert (attempt.status, attempt.due_at) == (Status.EXPIRED, None)
        assert ">expired<" in html

    def test_settles_nothing_without_the_view_permission(self, client: Client, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        let_time_pass(1000)
        client.force_login(User.objects.create_user("kim", is_staff=True))

        refused = client.get(url(MODEL, "change", attempt.pk)).status_code

        attempt.refresh_from_db()
        assert (refused, attempt.status) == (403, Status.PLACED)

    def test_an_attempt_that_is_erased_meanwhile_redirects(
        self, viewer: Client, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempt = services.start_verification(NUMBER)
        let_time_pass(1000)

        def erased_first(*args: Any, **kwargs: Any) -> bool:
            services.erase_number(NUMBER, actor="ben")
            return False

        monkeypatch.setattr(find, "transition", erased_first)

        assert viewer.get(url(MODEL, "change", attempt.pk)).status_code == 302

    @pytest.mark.parametrize("key", ["0", "x", "9" * 30, "²", "1_2F"])
    def test_an_unknown_attempt_redirects(self, viewer: Client, key: str) -> None:
        assert viewer.get(url(MODEL, "change", key)).status_code == 302


class TestTheAttemptPage:
    """The page is made of columns and events."""

    @pytest.mark.codes("telroi")
    def test_explains_each_step(self, staff: Client, attempt: VerificationAttempt) -> None:
        html = page_of(staff, attempt)

        steps = (
            "requested",
            "dialing",
            "accepted by the provider",
            "wrong code 1/3",
            "code not judged",
            "verified",
            "+0:00",
        )
        assert [step for step in steps if step not in html] == []
        assert str(MEANINGS[Status.VERIFIED].means) in html
        assert "203.0.113.7" in html

    def test_links_the_attempts_before_and_after_it(self, staff: Client, telroi: Simulator, configure: Any) -> None:
        configure(COOLDOWN_SECONDS=0)
        telroi.set_policy(cooldown=0)
        first = services.start_verification(NUMBER)
        second = services.call_again(first.uuid)
        third = services.call_again(second.uuid)

        story = {each.pk: page_of(staff, each) for each in (first, second, third)}

        leads_to = {
            pk: {each.pk for each in (first, second, third) if url(MODEL, "change", each.pk) in html}
            for pk, html in story.items()
        }
        assert leads_to[first.pk] - {first.pk} == {second.pk}
        assert leads_to[second.pk] - {second.pk} == {first.pk, third.pk}
        assert leads_to[third.pk] - {third.pk} == {second.pk}

    def test_shows_staff_actions_during_the_attempt_only(self, staff: Client, telroi: Simulator) -> None:
        services.block_number(NUMBER, reason="before", actor="ben")
        services.unblock_number(NUMBER, actor="ben")
        let_time_pass(60)
        attempt = services.start_verification(NUMBER)
        services.block_number(NUMBER, reason="ring-bombing", actor="ben")
        services.stop_calls(reason="attack", actor="ben")
        services.cancel_verification(attempt.uuid)
        AttemptEvent.objects.create(
            phone=PhoneNumber.objects.get(), kind="hold_released", at=timezone.now() + timedelta(hours=1)
        )

        html = page_of(staff, attempt).split('id="telroi-timeline"')[1]

        assert "ring-bombing" in html
        assert "all calls stopped" in html
        assert "before" not in html.split('id="telroi-facts"')[0]
        assert "hold released" not in html

    @pytest.mark.parametrize("error", ErrorCode)
    def test_says_what_to_do_about_an_error(self, staff: Client, telroi: Simulator, error: ErrorCode) -> None:
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(status="failed", error_code=error, due_at=None, closed_at=timezone.now())

        page = staff.get(url(MODEL, "change", attempt.pk))

        assert page.context["story"].meaning == ERRORS[error]

    def test_shows_no_digest_and_no_full_number(self, staff: Client, attempt: VerificationAttempt) -> None:
        VerificationAttempt.objects.filter(pk=attempt.pk).update(
            code_digest="d00b7" * 12, judging={"d00b7" * 12: {"1": "now"}}
        )

        html = page_of(staff, attempt)

        assert "d00b7" not in html
        assert not shows_a_whole_number(html)

    def test_links_number_and_user_if_both_can_be_viewed(
        self, staff: Client, attempt: VerificationAttempt, grace: User
    ) -> None:
        html = page_of(staff, attempt)

        assert f'href="{url("phonenumber", "change", attempt.phone.pk)}"' in html
        assert f'href="/admin/auth/user/{grace.pk}/change/"' in html

    def test_links_similar_attempts(self, staff: Client, attempt: VerificationAttempt) -> None:
        html = page_of(staff, attempt)

        for query in ("region__exact=NG", "purpose__exact=payout"):
            assert f'href="{url(MODEL, "changelist")}?{query}"' in html

    def test_links_nothing_that_cannot_be_viewed(
        self, viewer: Client, attempt: VerificationAttempt, grace: User
    ) -> None:
        html = page_of(viewer, attempt)

        assert "/phonenumber/" not in html
        assert f"/auth/user/{grace.pk}/" not in html


@pytest.mark.codes("telroi")
def test_a_call_whose_lost_codes_cannot_be_distinguished_is_explained(viewer: Client, telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    right = telroi.last_code_for(NUMBER)
    for code in (wrong(right), right):
        telroi.fail_next("reset", on="verify")
        services.check_code(attempt.uuid, code)
    let_time_pass(60)
    services.check_code(attempt.uuid, right)

    html = page_of(viewer, attempt)

    assert "A code of this call was right, but its answer was lost" in html
    assert "without the right code" not in html
    assert "not known to Telroi" not in html
    assert "code could not be checked" in html


def test_says_that_the_user_was_deleted(viewer: Client) -> None:
    ada = User.objects.create_user("ada")
    of_ada, of_a_visitor = services.start_verification(NUMBER, user=ada), services.start_verification(OTHER_NUMBER)
    ada.delete()

    assert "an account that is deleted" in page_of(viewer, of_ada)
    assert "an account that is deleted" not in page_of(viewer, of_a_visitor)
