"""A visitor whose browser has no JavaScript. The visitor opens pages, fills in forms and presses buttons."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup, Tag
from django.http import HttpResponse
from django.test import Client
from django.utils.translation import gettext

NUMBER = "+2348031234567"
SPELLING = "+234 803 123 4567"
MASKED = "+234 803 ••• 4567"
OTHER_NUMBER = "+2348029876543"
PREMIUM = "+449098790000"


class Visitor:
    """Follows all redirects. ``trail`` is the list of all responses on the way."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.trail: list[Any] = []
        self.path = ""
        self.soup = BeautifulSoup("", "html.parser")

    def opens(self, path: str, **headers: str) -> Visitor:
        return self._arrives(self.client.get(path, headers=headers), path)

    def presses(self, label: str, *, card: str = "telroi-1", **typed: str) -> Visitor:
        """Press the button with this label, with ``typed`` in the fields of its form."""
        action, fields = self.form(label, card=card)
        return self.sends(action, {**fields, **typed})

    def sends(self, path: str, fields: dict[str, str]) -> Visitor:
        return self._arrives(self.client.post(path, fields), path)

    def form(self, label: str, *, card: str = "telroi-1") -> tuple[str, dict[str, str]]:
        """Return the URL of a button's form and the values of its fields. ``label`` is the English one."""
        labels = {label, gettext(label)}
        forms = [
            form
            for form in self.card(card).find_all("form")
            if not labels.isdisjoint(b.text for b in form.find_all("button"))
        ]
        assert forms, f"no button {label!r} here: {self.card(card).text}"
        fields = {each["name"]: each.get("value", "") for each in forms[0].find_all("input")}
        return forms[0]["action"], fields

    def card(self, card: str = "telroi-1") -> Tag:
        (found,) = self.soup.find_all(id=card)
        return found

    def heading(self, card: str = "telroi-1") -> str:
        return self.card(card).find(class_="telroi-title").text

    def note(self, card: str = "telroi-1") -> str:
        found = self.card(card).find(class_="telroi-note")
        return found.text if found else ""

    def error(self, card: str = "telroi-1") -> str:
        found = self.card(card).find(class_="telroi-error")
        return found.text if found else ""

    def field(self, name: str, card: str = "telroi-1") -> Tag:
        return self.card(card).find("input", attrs={"name": name})

    def buttons(self, card: str = "telroi-1") -> list[str]:
        """Return the labels of the visible buttons."""
        return [b.text for b in self.card(card).find_all("button") if not b.find_parent(attrs={"hidden": True})]

    @property
    def statuses(self) -> list[int]:
        return [answer.status_code for answer in self.trail]

    def _arrives(self, response: Any, path: str) -> Visitor:
        self.trail.append(response)
        self.path = path
        while response.status_code in (301, 302, 303):
            self.path = response["Location"]
            response = self.client.get(self.path)
            self.trail.append(response)
        self.soup = BeautifulSoup(response.content.decode(), "html.parser")
        return self


def last(visitor: Visitor) -> HttpResponse:
    return visitor.trail[-1]
