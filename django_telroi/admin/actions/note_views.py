"""Support's notes on a number or an attempt: the form on its page, and the page that the form posts to."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.admin.actions.action_views import APP, actor_of, failure_sentence, require_permissions, staff_view
from django_telroi.admin.actions.number_actions import text_to_save
from django_telroi.admin.shared.log_entries import UnnamedInLog
from django_telroi.admin.shared.old_pages import to_missing_row
from django_telroi.errors import TelroiError
from django_telroi.models import PhoneNumber, SupportNote, VerificationAttempt

ADD_NOTE = "add_note"
PAGE = "admin/django_telroi/note.html"


class NoteForm(forms.Form):
    """Asks for the text of a note. Phone numbers in it are masked."""

    text = forms.CharField(
        label=pgettext_lazy("support note", "Note"),
        max_length=SupportNote.MAX_TEXT_LENGTH,
        help_text=pgettext_lazy(
            "support note", "For colleagues. It cannot be changed, and it is deleted with the number or its attempt."
        ),
        widget=forms.Textarea(attrs={"class": "vLargeTextField", "rows": 2, "autocomplete": "off", "dir": "auto"}),
    )

    def clean_text(self) -> str:
        return text_to_save(self.cleaned_data["text"], self.fields["text"])


class NoteViews(UnnamedInLog):
    """The view that adds a note to a row of the list, and the form on the page of the row."""

    def get_urls(self) -> list[URLPattern]:
        view = staff_view(self.admin_site.admin_view(self.note_view))
        return [path("<path:object_id>/note/", view, name=f"{APP}_{self.opts.model_name}_note"), *super().get_urls()]

    def note_context(self, request: HttpRequest, row: PhoneNumber | VerificationAttempt) -> dict[str, Any]:
        """Return the template context of the form. Without the permission there is no form."""
        if not request.user.has_perm(f"{APP}.{ADD_NOTE}"):
            return {}
        return {"note_form": NoteForm(), "note_url": self._url_of("note", row)}

    @sensitive_variables()
    def note_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the text (GET), or add the note and return to the page of the row (POST)."""
        row: PhoneNumber | VerificationAttempt | None = self.get_object(request, unquote(object_id))
        # The view permission comes first. Otherwise the answer would tell a user without it which ids exist.
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            return to_missing_row(self, object_id)
        require_permissions(request, ADD_NOTE)
        form = NoteForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            self._add(request, row, form.cleaned_data["text"])
            return HttpResponseRedirect(self._url_of("change", row))
        form.fields["text"].widget.attrs["autofocus"] = True
        return self._page(request, row, form)

    def _add(self, request: HttpRequest, row: PhoneNumber | VerificationAttempt, text: str) -> None:
        attempt = row if isinstance(row, VerificationAttempt) else None
        phone = row if isinstance(row, PhoneNumber) else row.phone
        try:
            services.add_note(phone, attempt=attempt, text=text, actor=actor_of(request))
        except (TelroiError, DatabaseError) as error:
            messages.error(request, failure_sentence(error, phone))
            return
        # Without the text: Django's log stays when the number is erased.
        self.log_change(request, row, pgettext("support note", "Added a note."))
        messages.success(request, pgettext("support note", "The note is added."))

    def _page(self, request: HttpRequest, row: PhoneNumber | VerificationAttempt, form: NoteForm) -> HttpResponse:
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": pgettext("support note", "Add a note"),
            "original": row,
            "form": form,
            "back": self._url_of("change", row),
        }
        response = TemplateResponse(request, PAGE, context)
        add_never_cache_headers(response)
        return response

    def _url_of(self, page: str, row: PhoneNumber | VerificationAttempt) -> str:
        name = f"admin:{APP}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(str(row.pk))], current_app=self.admin_site.name)
