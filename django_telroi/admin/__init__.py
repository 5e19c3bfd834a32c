"""The Django admin: numbers with their limits, attempts with their timelines, verified phones, and staff actions.

Numbers are masked. All changes are made by ``services``. To use your own ``AdminSite``, register these classes on it.
"""

from __future__ import annotations

from django.contrib import admin

from django_telroi.admin.attempts.attempt_admin import VerificationAttemptAdmin
from django_telroi.admin.numbers.number_admin import PhoneNumberAdmin
from django_telroi.admin.numbers.verified_phones import VerifiedPhoneAdmin
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone

__all__ = ["PhoneNumberAdmin", "VerificationAttemptAdmin", "VerifiedPhoneAdmin"]

admin.site.register(PhoneNumber, PhoneNumberAdmin)
admin.site.register(VerificationAttempt, VerificationAttemptAdmin)
admin.site.register(VerifiedPhone, VerifiedPhoneAdmin)
