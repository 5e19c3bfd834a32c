"""Pages that were left open: the session ended meanwhile, or a colleague deleted the row."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.models import AttemptEvent
from tests.admin.admin_pages import url
from tests.admin.sample_numbers import client_with, number

pytestmark = pytest.mark.django_db

AGAIN = "Nothing was done. If you had to log in first, do it again on this page."


class TestAButtonAfterTheSessionEnded:
    """The login redirects to the URL of the button by GET."""

    def press_and_log_in(self, client: Client, button: str, form: dict[str, str] | None = None) -> object:
        grace = User.objects.create_superuser("grace", password="correct horse")
        login = client.post(button, form or {})
        where = login.url  # type: ignore[attr-defined]
        assert where.startswith("/admin/login/")
        return client.post(where, {"username": grace.username, "password": "correct horse"}, follow=True)

    @pytest.mark.parametrize("model", ["phonenumber", "verificationattempt", "verifiedphone"])
    def test_a_search_leads_to_its_list(self, client: Client, model: str) -> None:
        page = self.press_and_log_in(client, url(model, "search"), {"term": "0001"})

        assert page.redirect_chain[-1] == (url(model, "changelist"), 302)  # type: ignore[attr-defined]
        assert AGAIN in page.content.decode()  # type: ignore[attr-defined]

    def test_an_export_leads_to_the_list_with_its_filters(self, client: Client) -> None:
        page = self.press_and_log_in(client, url("verificationattempt", "export") + "?purpose__exact=a%26b&p=1")

        listed = url("verificationattempt", "changelist") + "?purpose__exact=a%26b&p=1"
        assert page.redirect_chain[-1] == (listed, 302)  # type: ignore[attr-defined]
        assert AGAIN in page.content.decode()  # type: ignore[attr-defined]

    def test_the_full_number_leads_to_the_page_of_the_number(self, client: Client) -> None:
        phone = number("0001")

        page = self.press_and_log_in(client, url("phonenumber", "reveal", phone.pk))

        assert page.redirect_chain[-1] == (url("phonenumber", "change", phone.pk), 302)  # type: ignore[attr-defined]
        assert AGAIN in page.content.decode()  # type: ignore[attr-defined]
        assert not AttemptEvent.objects.exists()


class TestARowThatIsDeleted:
    """Each page of a row answers as Django's own page of that row does."""

    @pytest.mark.parametrize("page", ["block", "unblock", "erase", "reveal", "note"])
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_number_is_said_to_be_deleted(self, staff: Client, page: str, method: str) -> None:
        phone = number("0001")
        where, page_of_row = url("phonenumber", page, phone.pk), url("phonenumber", "change", phone.pk)
        phone.delete()

        reply = getattr(staff, method)(where, {"reason": "x", "text": "x"}, follow=True)

        assert reply.redirect_chain == [(page_of_row, 302), ("/admin/", 302)]
        assert "Perhaps it was deleted?" in reply.content.decode()

    @pytest.mark.parametrize("page", ["reset_user", "note"])
    def test_an_attempt_is_said_to_be_deleted(self, staff: Client, page: str) -> None:
        reply = staff.post(url("verificationattempt", page, 1), {"reason": "x", "text": "x"}, follow=True)

        assert reply.redirect_chain[-1] == ("/admin/", 302)
        assert "Perhaps it was deleted?" in reply.content.decode()

    def test_is_not_told_without_the_permission_to_view_rows(self) -> None:
        client = client_with("block_number", "add_note")
        for page in ("block", "reveal", "note"):
            assert client.post(url("phonenumber", page, 1)).status_code == 403
