"""A connection to a database server that is cut during a call or a check, or between two requests."""

from __future__ import annotations

import pytest
from django.db import close_old_connections, connection

from tests.outages.backend import Hooks
from tests.outages.people import API, READERS, People, check_right_code, step_of, type_right_code, visitor
from tests.outages.proxy import Proxy

# A code of the site is checked without a request, so nothing can be cut during it.
pytestmark = pytest.mark.codes("telroi")


@pytest.mark.parametrize("moment", ["before", "after"])
class TestACutConnection:
    """The connection is cut during a request to Telroi, which takes up to 30 s."""

    def test_during_a_call_is_replaced_to_write_the_answer(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=False))

        reply = people.program.post(API, {"number": next(people.new)}, "application/json")

        assert (reply.status_code, reply.json()["status"]) == (201, "placed")

    def test_during_a_check_is_replaced_to_write_the_judgement(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=False))

        reply = check_right_code(people)

        assert (reply.status_code, reply.json()["verified"]) == (200, True)

    def test_during_a_check_on_the_page_is_replaced_to_show_the_success(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=False))

        reply = type_right_code(people)

        assert (reply.status_code, reply["Location"]) == (302, "/phone/done/")
        assert step_of(people.person.get("/phone/done/")) == "done"

    def test_during_a_check_on_the_page_that_is_not_replaced_is_a_503_and_the_code_counts_later(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=True))

        reply = type_right_code(people)
        hooked.before = hooked.after = None
        connection.close()
        proxy.mend()
        loaded_again = people.person.get("/phone/code/")
        again = type_right_code(people)

        assert (reply.status_code, step_of(reply)) == (503, "problem")
        assert (loaded_again.status_code, step_of(loaded_again)) == (200, "code")
        assert again.status_code == 302
        assert step_of(people.person.get("/phone/done/")) == "done"

    def test_during_a_call_that_is_not_replaced_does_not_deny_the_call(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=True))

        reply = people.program.post(API, {"number": next(people.new)}, "application/json")

        body = reply.json()
        assert (reply.status_code, body["status"], bool(body["id"])) == (202, "dialing", True)
        assert "could not be placed" not in body["detail"]

    def test_during_a_call_on_the_page_that_is_not_replaced_asks_for_the_code_later(
        self, people: People, proxy: Proxy, hooked: Hooks, moment: str
    ) -> None:
        setattr(hooked, moment, lambda: proxy.cut(stays_cut=True))
        person = visitor()

        reply = person.post("/phone/", {"number": next(people.new)})
        meanwhile = person.get(reply["Location"])
        connection.close()
        proxy.mend()
        afterwards = person.get(reply["Location"])

        assert (reply.status_code, meanwhile.status_code, afterwards.status_code) == (302, 503, 200)
        assert "Calling" in afterwards.content.decode()


@pytest.mark.parametrize(("checks_health", "statuses"), [(False, [503, 200]), (True, [200, 200])])
def test_a_kept_connection_that_is_cut_between_two_requests_costs_at_most_one_503(
    people: People, proxy: Proxy, *, checks_health: bool, statuses: list[int]
) -> None:
    keeps = {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": checks_health}
    before = {name: connection.settings_dict[name] for name in keeps}
    connection.close()
    connection.settings_dict.update(keeps)
    seen = [READERS["api: how it stands"](people).status_code]
    proxy.cut(stays_cut=False)

    for _ in range(2):
        close_old_connections()  # Django does this between two requests, its test client does not
        seen.append(READERS["api: how it stands"](people).status_code)
    connection.close()
    connection.settings_dict.update(before)

    assert seen == [200, *statuses]
