"""The number of statements of a staff action over HTTP: no row of ours is read back after it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from django_telroi import services
from django_telroi.models import PhoneNumber
from django_telroi.simulator import Simulator
from tests.documented_statements import documented_statements
from tests.services.world import NUMBER, statements


@pytest.mark.parametrize(("action", "verbs"), [("block", ["SELECT", "UPDATE", "INSERT"])])
def test_an_action_reads_its_number_once_more_for_the_page(
    staff: Client, telroi: Simulator, action: str, verbs: list[str]
) -> None:
    services.start_verification(NUMBER)
    url = reverse(f"admin:django_telroi_phonenumber_{action}", args=[PhoneNumber.objects.get().pk])

    with statements() as seen:
        assert staff.post(url, {"reason": "asked us to"}).status_code == 302

    ours = [sql.split()[0] for sql in seen if "django_telroi_" in sql]
    # The page finds the number by its primary key, and the service then reads its state.
    assert ours == ["SELECT", *verbs]
    assert len(verbs) == documented_statements()["staff action on a number"]
