"""The values of a form that the session keeps between the POST and the page that shows the form again.

A site's own form may ask for anything, including a password. So only values that the widget renders again are kept.
These are not kept: values of password and file inputs, values that autofill treats as a password, a one-time code or a
card, and values that the widget does not render. Long values are not kept either, because a session may be a cookie of
4 KB.
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

MAX_VALUE_LENGTH = 200
"""Greatest number of characters of one value. A longer value is not kept. A cut value would look like a typed one."""

MAX_KEPT_VALUES = 500
"""Greatest number of characters of all values of a form together."""

SECRET_TYPES = frozenset({"password", "file"})
SECRET_AUTOFILL = ("current-password", "new-password", "one-time-code", "cc-")

Value = str | list[str]


@dataclass(frozen=True)
class PostedValues:
    """``values``: the kept values by input name. ``problems``: the errors of fields whose value is not kept, by field.

    The form is validated again when it is shown. Without the values that were not kept, it would report them as
    missing. It reports ``problems`` instead.
    """

    values: Mapping[str, Value] = field(default_factory=dict, repr=False)
    problems: Mapping[str, list[str]] = field(default_factory=dict, repr=False)


@sensitive_variables()
def read_posted(form: Form) -> PostedValues:
    """Return the values of a bound form that may be kept, and the errors of its other fields."""
    values: dict[str, Value] = {}
    problems: dict[str, list[str]] = {}
    for name, each in form.fields.items():
        html_name, room = form.add_prefix(name), MAX_KEPT_VALUES - sum(map(_length, values.values()))
        inputs = dict(_inputs(each.widget, html_name))
        # The room is shared equally by the parts of a widget. Otherwise the first part could use it up, and a date with
        # a day and no year would come back.
        kept = {key: _value_to_keep(widget, key, form, room=room // len(inputs)) for key, widget in inputs.items()}
        values |= {key: value for key, value in kept.items() if value is not None}
        if isinstance(each, PhoneField) and html_name in values:
            # A person cannot see invisible characters, so they could not correct them.
            values[html_name] = Secret(without_invisible(str(values[html_name])))
        if None in kept.values():
            problems[name] = _sentences(form, name, secrets=[_posted_values_of(*each, form) for each in inputs.items()])
    return PostedValues(values, problems)


@sensitive_variables()
def fill_form(form: Form, typed: PostedValues) -> None:
    """Set the errors of the fields whose values were not kept, in a form that is bound to the kept values."""
    for name in typed.problems.keys() & form.fields.keys():
        # The form says that the field is empty, which is wrong: its value was typed and not kept.
        form.errors.pop(name, None)
        for sentence in typed.problems[name]:
            form.add_error(name, sentence)


def _inputs(widget: Widget, name: str) -> Iterator[tuple[str, Widget]]:
    """Yield name and widget of each input of a widget."""
    if not isinstance(widget, MultiWidget):
        yield name, widget
        return
    for part, suffix in zip(widget.widgets, widget.widgets_names, strict=True):  # type: ignore[attr-defined]
        yield from _inputs(part, name + suffix)


def _value_to_keep(widget: Widget, name: str, form: Form, *, room: int) -> Value | None:
    """Return the value of an input if it may be kept, else None."""
    typed = _posted_values_of(name, widget, form)
    if not _length(typed):
        return ""
    if _is_secret(widget) or _length(typed) > min(room, MAX_VALUE_LENGTH) or not _renders(widget, name, form):
        return None
    secrets: list[str] = [Secret(each) for each in typed]
    return secrets if _takes_several(widget) else secrets[0]


def _is_secret(widget: Widget) -> bool:
    # A site may set the type in ``attrs`` of a TextInput, or in its own widget class, so both are read.
    types = {str(kind).lower() for kind in (getattr(widget, "input_type", ""), widget.attrs.get("type", ""))}
    autofill = str(widget.attrs.get("autocomplete", "")).lower().split()
    return (
        widget.needs_multipart_form
        or bool(types & SECRET_TYPES)
        or any(token.startswith(SECRET_AUTOFILL) for token in autofill)
    )


def _renders(widget: Widget, name: str, form: Form) -> bool:
    """Return whether the widget's HTML contains the value. A site's own widget may omit it.

    The HTML of a checkbox does not contain its value. For a checkbox it is enough that the value changes the HTML.
    """
    value = widget.value_from_datadict(form.data, form.files, name)
    with_value, without = (widget.render(name, each, {}, form.renderer) for each in (value, None))
    shows_text = isinstance(value, bool) or all(
        escape(text) in with_value for text in _posted_values_of(name, widget, form)
    )
    return with_value != without and shows_text


def _sentences(form: Form, name: str, *, secrets: list[list[str]]) -> list[str]:
    """Return at most three errors of a field, without those that repeat a typed value."""
    # A validator may quote the value: "x is not a valid choice". The session must not get a password by this way.
    typed = [text for texts in secrets for text in texts if text]
    errors = [str(sentence) for sentence in form.errors.get(name, ())]
    return [each for each in errors if len(each) <= MAX_VALUE_LENGTH and not any(text in each for text in typed)][:3]


def _posted_values_of(name: str, widget: Widget, form: Form) -> list[str]:
    """Return all values that were sent for an input with several values, and only the last one for any other input."""
    data = form.data
    sent = data.getlist(name) if isinstance(data, QueryDict) else [str(data.get(name, ""))]
    return sent if _takes_several(widget) else sent[-1:]


def _takes_several(widget: Widget) -> bool:
    return isinstance(widget, SelectMultiple | CheckboxSelectMultiple | MultipleHiddenInput)


def _length(value: Value) -> int:
    return sum(map(len, value))
