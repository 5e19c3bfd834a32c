"""Helpers that open pages of the admin and search them."""

from __future__ import annotations

from urllib.parse import quote

from django.test import Client
from django.urls import reverse

from tests.services.world import NUMBER, OTHER_NUMBER


def url(model: str, page: str, *args: object) -> str:
    return reverse(f"admin:django_telroi_{model}_{page}", args=args)


def html_of(client: Client, address: str) -> str:
    page = client.get(address)
    assert page.status_code == 200, address
    return page.content.decode()


def shows_a_whole_number(html: str) -> bool:
    spellings = {number for each in (NUMBER, OTHER_NUMBER) for number in (each[1:], quote(each), each[4:])}
    return any(spelling in html for spelling in spellings)
