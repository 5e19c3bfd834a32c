"""What the session keeps of a form between its POST and the page that shows it again.

A form of the site's own may ask for anything, a password too. So only what its widgets would show again is kept: no
value of a password or file input, none that autofill treats as a password, a one-time code or a card, and none of a
widget that renders without it. Sessions may be rows, or cookies of 4 KB: long values are not kept either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.forms import CheckboxSelectMultiple, Form, MultipleHiddenInput, MultiWidget, SelectMultiple, Widget
from django.http import QueryDict
from django.utils.html import escape
from django.views.decorators.debug import sensitive_variables

from django_telroi.domain.typed_text import without_invisible
from django_telroi.redaction import Secret
from django_telroi.web.forms import PhoneField

LONGEST_VALUE = 200
"""Characters of one value. A longer one is not kept: cut, it would look as if it had been typed so."""

MOST_KEPT = 500
"""Characters of all values of a form together, and of all sentences about values that are not kept."""

SECRET_TYPES = frozenset({"password", "file"})
SECRET_AUTOFILL = ("current-password", "new-password", "one-time-code", "cc-")

Value = str | list[str]


@dataclass(frozen=True)
class PostedValues:
    """``values``: what is shown again, by the input's name. ``problems``: what was wrong with the fields that are not.

    The form is judged again when it is shown, and would miss what was not kept: it says ``problems`` of those instead.
    """

    values: Mapping[str, Value] = field(default_factory=dict, repr=False)
    problems: Mapping[str, list[str]] = field(default_factory=dict, repr=False)


@sensitive_variables()
def read_posted(form: Form) -> PostedValues:
    """What may be kept of a bound form."""
    values: dict[str, Value] = {}
    problems: dict[str, list[str]] = {}
    for name, each in form.fields.items():
        html_name, room = form.add_prefix(name), MOST_KEPT - sum(map(_length, values.values()))
        inputs = dict(_inputs(each.widget, html_name))
        shown = {key: _shown_again(widget, key, form, room=room // len(inputs)) for key, widget in inputs.items()}
        values |= {key: value for key, value in shown.items() if value is not None}
        if isinstance(each, PhoneField) and html_name in values:
            values[html_name] = Secret(
                without_invisible(str(values[html_name]))
            )  # they cannot be seen to be typed over
        if None in shown.values():
            problems[name] = _sentences(form, name, secrets=[_raw(*each, form) for each in inputs.items()])
    return PostedValues(values, problems)


@sensitive_variables()
def fill_form(form: Form, typed: PostedValues) -> None:
    """Let a form that was bound to the kept values say of all others what was wrong with them when they were typed."""
    for name in typed.problems.keys() & form.fields.keys():
        form.errors.pop(name, None)
        for sentence in typed.problems[name]:
            form.add_error(name, sentence)


def _inputs(widget: Widget, name: str) -> Iterator[tuple[str, Widget]]:
    """Each input of a widget, with its name."""
    if not isinstance(widget, MultiWidget):
        yield name, widget
        return
    for part, suffix in zip(widget.widgets, widget.widgets_names, strict=True):  # type: ignore[attr-defined]
        yield from _inputs(part, name + suffix)


def _shown_again(widget: Widget, name: str, form: Form, *, room: int) -> Value | None:
    """What was typed into an input, if it may be kept."""
    typed = _raw(name, widget, form)
    if not _length(typed):
        return ""
    if _is_secret(widget) or _length(typed) > min(room, LONGEST_VALUE) or not _renders(widget, name, form):
        return None
    quiet: list[str] = [Secret(each) for each in typed]
    return quiet if _takes_several(widget) else quiet[0]


def _is_secret(widget: Widget) -> bool:
    types = {str(kind).lower() for kind in (getattr(widget, "input_type", ""), widget.attrs.get("type", ""))}
    autofill = str(widget.attrs.get("autocomplete", "")).lower().split()
    return (
        widget.needs_multipart_form
        or bool(types & SECRET_TYPES)
        or any(token.startswith(SECRET_AUTOFILL) for token in autofill)
    )


def _renders(widget: Widget, name: str, form: Form) -> bool:
    """Whether the widget's HTML has the value in it: a site's own widget may well leave it out.

    A checkbox shows that it is on and not its value: there it counts that the HTML is another one.
    """
    value = widget.value_from_datadict(form.data, form.files, name)
    with_value, without = (widget.render(name, each, {}, form.renderer) for each in (value, None))
    shows_text = isinstance(value, bool) or all(escape(text) in with_value for text in _raw(name, widget, form))
    return with_value != without and shows_text


def _sentences(form: Form, name: str, *, secrets: list[list[str]]) -> list[str]:
    """What is wrong with a field, without a sentence that repeats what was typed."""
    typed = [text for texts in secrets for text in texts if text]
    said = [str(sentence) for sentence in form.errors.get(name, ())]
    return [each for each in said if len(each) <= LONGEST_VALUE and not any(text in each for text in typed)][:3]


def _raw(name: str, widget: Widget, form: Form) -> list[str]:
    """All that was sent for an input that takes several values, and the last of it for any other."""
    data = form.data
    sent = data.getlist(name) if isinstance(data, QueryDict) else [str(data.get(name, ""))]
    return sent if _takes_several(widget) else sent[-1:]


def _takes_several(widget: Widget) -> bool:
    return isinstance(widget, SelectMultiple | CheckboxSelectMultiple | MultipleHiddenInput)


def _length(value: Value) -> int:
    return sum(map(len, value))
