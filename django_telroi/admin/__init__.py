"""The Django admin: numbers with their limits, attempts with their timelines, verified phones, and staff actions.

Numbers are masked. All changes are made by ``services``. To use your own ``AdminSite``, register these classes on it.
``VerifiedPhoneInline`` shows the numbers of a user in your own user admin.
"""

from __future__ import annotations

from django.contrib import admin

from django_telroi.admin.attempts.attempt_admin import VerificationAttemptAdmin
from django_telroi.admin.numbers.number_admin import PhoneNumberAdmin
from django_telroi.admin.numbers.verified_phones import VerifiedPhoneAdmin, VerifiedPhoneInline
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone

__all__ = ["PhoneNumberAdmin", "VerificationAttemptAdmin", "VerifiedPhoneAdmin", "VerifiedPhoneInline"]

# Not AttemptEvent and CallControl: the pages of attempts and numbers show them.
admin.site.register(PhoneNumber, PhoneNumberAdmin)
admin.site.register(VerificationAttempt, VerificationAttemptAdmin)
admin.site.register(VerifiedPhone, VerifiedPhoneAdmin)

if admin.site.index_template is None:
    # A documented attribute. The first page of the admin then shows that calls are stopped, and suspected toll fraud.
    admin.site.index_template = "admin/django_telroi/index.html"
