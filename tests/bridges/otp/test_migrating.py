"""The devices of django-two-factor-auth are copied, as docs/migrating/two_factor_phone.rst says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_telroi.contrib.otp.models import CallDevice
from tests.docs_blocks import blocks_of_page

NUMBER = "+2348031234567"


@pytest.mark.django_db
def test_each_device_is_copied_once() -> None:
    ada = User.objects.create_user("cleo")
    old = SimpleNamespace(user=ada, name="default", number=SimpleNamespace(as_e164=NUMBER))
    rows = SimpleNamespace(objects=SimpleNamespace(filter=lambda **by: [old]))
    *_, block = [block for block in blocks_of_page("migrating/two_factor_phone.rst") if block.kind == "python"]
    page: dict[str, Any] = {"PhoneDevice": rows}
    exec(block.body, page)

    page["copy_devices"]()
    page["copy_devices"]()

    assert [(device.user, device.name, device.number) for device in CallDevice.objects.all()] == [
        (ada, "default", NUMBER)
    ]
