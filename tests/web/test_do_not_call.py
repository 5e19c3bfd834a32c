"""The owner of a number blocks calls to it: with a signed link, or through the command. Staff lift it with a reason."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core.management import CommandError, call_command
from django.test import Client
from django.test.utils import override_script_prefix
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import InvalidNumber, NotCallable, ReasonRequired
from django_telroi.models import AttemptEvent, PhoneNumber
from django_telroi.services.staff import support
from django_telroi.testing import outbox
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER

pytestmark = pytest.mark.django_db


def text_of(reply: Any) -> str:
    return " ".join(BeautifulSoup(reply.content, "html.parser").get_text().split())


def press(client: Client, path: str) -> Any:
    page = BeautifulSoup(client.get(path).content, "html.parser")
    token = page.find("input", attrs={"name": "csrfmiddlewaretoken"})["value"]  # type: ignore[index]
    return client.post(path, {"csrfmiddlewaretoken": token}, follow=True)


@pytest.fixture
def path() -> str:
    return services.do_not_call_path(NUMBER)


class TestThePage:
    def test_asks_first_and_shows_the_number_masked(self, path: str) -> None:
        reply = Client().get(path)

        assert MASKED in text_of(reply)
        assert (reply.status_code, PhoneNumber.objects.count()) == (200, 0)
        assert "no-store" in reply["Cache-Control"]
        assert reply["Referrer-Policy"] == "same-origin"

    def test_blocks_the_number_as_its_owners_wish(self, path: str) -> None:
        reply = press(Client(enforce_csrf_checks=True), path)

        phone, event = PhoneNumber.objects.get(), AttemptEvent.objects.get()
        assert "We will not call you" in text_of(reply)
        assert (phone.number, phone.blocked_by_owner, phone.blocked_by) == (NUMBER, True, "")
        assert (event.kind, event.phone, event.actor) == ("owner_blocked", phone, "")
        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)
        assert list(outbox) == []

    def test_tells_a_screen_reader_what_happened(self, path: str) -> None:
        pages = [Client().get(path), press(Client(), path), Client().get(f"{path[:-3]}/")]

        titles = [BeautifulSoup(page.content, "html.parser").title.text.strip() for page in pages]  # type: ignore[union-attr]
        focused = [bool(BeautifulSoup(page.content, "html.parser").select("h1[autofocus]")) for page in pages]
        assert titles == ["Do not call me", "We will not call you", "This link is not valid"]
        assert focused == [False, True, False]

    @pytest.mark.parametrize("base", ["", "{% block content %}{% endblock %}"], ids=["ours", "of the site"])
    def test_has_its_stylesheet_once_in_each_frame(self, base: str, path: str, settings: Any) -> None:
        if base:
            loaders = [
                ("django.template.loaders.locmem.Loader", {"telroi/base.html": base}),
                "django.template.loaders.app_directories.Loader",
            ]
            [engine] = settings.TEMPLATES
            options = {**engine["OPTIONS"], "loaders": loaders}
            settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]

        page = BeautifulSoup(Client().get(path).content, "html.parser")

        assert len(page.select('link[href$="telroi/telroi.css"]')) == 1

    def test_needs_the_csrf_token(self, path: str) -> None:
        assert Client(enforce_csrf_checks=True).post(path).status_code == 403
        assert not PhoneNumber.objects.exists()

    def test_looks_the_same_before_and_after_the_block(self, path: str) -> None:
        before = text_of(Client().get(path))
        press(Client(), path)

        assert text_of(Client().get(path)) == before
        assert press(Client(), path).status_code == 200

    def test_is_open_to_everybody_with_the_link(self, path: str, settings: Any) -> None:
        middleware = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]

        assert Client().get(path).status_code == 200
        assert press(Client(), path).status_code == 200

    @pytest.mark.parametrize(
        "change", [lambda t: t[:-1], lambda t: "x" + t, lambda t: t.replace(":", "-"), lambda t: "x"]
    )
    def test_of_a_changed_link_shows_nothing(self, path: str, change: Any) -> None:
        start, token = path.rstrip("/").rsplit("/", 1)

        replies = [Client().get(f"{start}/{change(token)}/"), Client().post(f"{start}/{change(token)}/")]

        assert [reply.status_code for reply in replies] == [404, 404]
        assert {"This link is not valid" in text_of(reply) for reply in replies} == {True}
        assert not PhoneNumber.objects.exists()

    def test_of_an_old_link_shows_the_same_as_of_a_forged_one(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        forged = text_of(Client().get("/phone/do-not-call/forged/"))
        monkeypatch.setattr(support, "LINK_LIFETIME", timedelta(seconds=-1))

        reply = Client().get(path)

        assert (reply.status_code, text_of(reply)) == (404, forged)

    def test_has_the_number_in_no_link_and_no_log(self, path: str, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("DEBUG"):
            html = press(Client(), path).content.decode()

        assert not [text for text in (path, html, caplog.text) if NUMBER[1:] in text]

    def test_of_another_key_is_refused_and_of_a_fallback_accepted(self, path: str, settings: Any) -> None:
        old, settings.SECRET_KEY = settings.SECRET_KEY, "another-key-" * 5
        assert Client().get(path).status_code == 404
        settings.SECRET_KEY_FALLBACKS = [old]
        assert Client().get(path).status_code == 200


class TestTheBlock:
    def test_is_lifted_only_with_a_reason(self) -> None:
        services.block_for_owner(NUMBER)

        for reason in ("", " "):
            with pytest.raises(ReasonRequired):
                services.unblock_number(NUMBER, actor="ada", reason=reason)
        services.unblock_number(NUMBER, actor="ada", reason="wrote to us")

        phone = PhoneNumber.objects.get()
        assert (phone.blocked_at, phone.blocked_by_owner) == (None, False)
        assert AttemptEvent.objects.latest("pk").detail == "wrote to us"
        services.start_verification(NUMBER)

    @pytest.mark.parametrize("is_first", [True, False])
    def test_and_that_of_staff_are_lifted_on_their_own(self, is_first: bool) -> None:
        blocks = [
            lambda: services.block_number(NUMBER, reason="fraud", actor="ada"),
            lambda: services.block_for_owner(NUMBER),
        ]
        for block in blocks if is_first else reversed(blocks):
            block()

        phone = services.unblock_number(NUMBER, actor="eve", reason="the owner rang")
        assert (phone.blocked_by, phone.blocked_reason, phone.blocked_by_owner) == ("ada", "fraud", False)
        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)

        services.block_for_owner(NUMBER)
        phone = services.unblock_number(NUMBER, actor="eve")
        assert (phone.blocked_by, phone.blocked_reason, phone.blocked_by_owner) == ("", "", True)
        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)
        with pytest.raises(ReasonRequired):
            services.unblock_number(NUMBER, actor="eve")

        services.unblock_number(NUMBER, actor="eve", reason="the owner rang")
        services.start_verification(NUMBER)

    def test_of_rows_that_no_service_wrote_is_one_of_staff(self) -> None:
        PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG", blocked_at=timezone.now())
        services.block_for_owner(NUMBER)

        assert services.unblock_number(NUMBER, actor="eve", reason="the owner rang").has_staff_block

    def test_survives_an_erasure(self) -> None:
        services.block_for_owner(NUMBER)
        services.erase_number(NUMBER, actor="ada")

        assert PhoneNumber.objects.get().blocked_by_owner

    def test_is_answered_like_any_other_block(self) -> None:
        services.block_for_owner(NUMBER)
        services.block_number(OTHER_NUMBER, reason="fraud", actor="ada")
        starts = "/phone/"

        said = [text_of(Client().post(starts, {"number": each}, follow=True)) for each in (NUMBER, OTHER_NUMBER)]

        assert "We cannot call this number." in said[0]
        assert said[0] == said[1]


class TestTheCommand:
    @staticmethod
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("telroi_do_not_call", *arguments, stdout=out)
        return out.getvalue().strip()

    def test_prints_a_link_that_works(self) -> None:
        link = self.run(NUMBER, "--link", "https://example.com/")

        assert link.startswith("https://example.com/phone/do-not-call/")
        assert MASKED in text_of(Client().get(link.removeprefix("https://example.com")))

    @pytest.mark.parametrize(
        ("site", "start"),
        [
            ("https://example.com", "https://example.com/phone/"),
            ("http://localhost:8000", "http://localhost:8000/phone/"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/phone/"),
        ],
    )
    def test_takes_the_address_of_the_site(self, site: str, start: str) -> None:
        assert self.run(NUMBER, "--link", site).startswith(start)

    @pytest.mark.parametrize(
        "site",
        [
            "",
            "example.com",
            "//example.com",
            "javascript:x",
            "http://example.com",
            "https://a@example.com",
            "https://",
            "https://example.com/?a=b",
            "https://example.com:x/",
        ],
    )
    def test_needs_https_and_a_host(self, site: str) -> None:
        with pytest.raises(CommandError, match="--link needs the address of the site with https://") as failure:
            self.run(NUMBER, "--link", site)

        assert failure.value.returncode == 2

    def test_takes_no_path_except_the_one_below_which_the_site_runs(self) -> None:
        with pytest.raises(CommandError, match=r"without a path.*FORCE_SCRIPT_NAME") as failure:
            self.run(NUMBER, "--link", "https://example.com/foo")
        assert failure.value.returncode == 2
        with override_script_prefix("/foo/"):
            assert self.run(NUMBER, "--link", "https://example.com/foo").startswith("https://example.com/foo/phone/")
            assert self.run(NUMBER, "--link", "https://example.com").startswith("https://example.com/foo/phone/")

    def test_records_the_given_actor(self) -> None:
        self.run(NUMBER, "--block", "--actor", "ada")
        self.run(NUMBER, "--unblock", "wrote to us", "--actor", "eve")

        assert [event.actor for event in AttemptEvent.objects.order_by("pk")] == ["ada", "eve"]

    def test_says_that_a_number_is_not_blocked(self) -> None:
        assert self.run(NUMBER, "--unblock", "wrote to us") == f"{MASKED} is not blocked."
        assert not AttemptEvent.objects.exists()

    def test_rejects_a_reason_that_cannot_be_stored(self) -> None:
        services.block_for_owner(NUMBER)

        with pytest.raises(CommandError, match="cannot store"):
            self.run(NUMBER, "--unblock", "nul \0")

    def test_blocks_and_unblocks(self) -> None:
        assert self.run(NUMBER, "--block") == f"{MASKED} is blocked at its owner's wish."
        with pytest.raises(CommandError, match="A reason is required"):
            self.run(NUMBER, "--unblock", "")
        assert self.run(NUMBER, "--unblock", "wrote to us") == f"{MASKED} can be called again."
        assert [event.actor for event in AttemptEvent.objects.all()] == ["telroi_do_not_call"] * 2

    def test_says_that_staff_still_block_the_number(self) -> None:
        services.block_number(NUMBER, reason="fraud", actor="ada")
        self.run(NUMBER, "--block")

        said = self.run(NUMBER, "--unblock", "wrote to us")

        assert said == f"{MASKED} is still blocked by staff; the owner's block is lifted."
        assert PhoneNumber.objects.get().has_staff_block

    def test_needs_a_number(self) -> None:
        with pytest.raises(CommandError, match="This is not a phone number"):
            self.run("call me", "--block")
        with pytest.raises(InvalidNumber):
            services.do_not_call_path("call me")


def test_staff_see_the_wish_and_cannot_unblock_without_a_reason(admin_client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls"
    phone = services.block_for_owner(NUMBER)
    page = f"/admin/django_telroi/phonenumber/{phone.pk}/"

    html = admin_client.get(f"{page}change/").content.decode()
    assert "at its owner’s wish" in html
    assert (f"{page}unblock-owner/" in html, f"{page}unblock/" in html) == (True, False)
    admin_client.post(f"{page}unblock/")
    admin_client.post(f"{page}unblock-owner/", {"reason": ""})
    listed = {"action": "unblock_selected", "_selected_action": [phone.pk], "confirmed": "yes"}
    admin_client.post("/admin/django_telroi/phonenumber/", listed)
    assert PhoneNumber.objects.get().blocked_by_owner

    admin_client.post(f"{page}unblock-owner/", {"reason": "wrote to us"})
    assert not PhoneNumber.objects.get().blocked_by_owner


def test_staff_read_who_blocked_the_number(admin_client: Client, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.urls"
    phone = services.block_for_owner(NUMBER)
    page = f"/admin/django_telroi/phonenumber/{phone.pk}/"

    shown = text_of(admin_client.get(f"{page}change/"))
    assert "No call is possible: its owner asked not to be called." in shown
    assert "staff blocked the number" not in shown

    admin_client.post(f"{page}block/", {"reason": "fraud"})
    reply = admin_client.get(f"{page}change/")
    assert "No call is possible: staff blocked the number." in text_of(reply)
    assert f"{page}unblock-owner/" in reply.text
    assert f"{page}unblock/" in reply.text

    lifted = admin_client.post(f"{page}unblock-owner/", {"reason": "wrote to us"}, follow=True)
    assert "The number stays blocked by staff." in text_of(lifted)
    services.block_for_owner(NUMBER)
    unblocked = admin_client.post(f"{page}unblock/", follow=True)
    assert "The number stays blocked at its owner’s wish." in text_of(unblocked)
