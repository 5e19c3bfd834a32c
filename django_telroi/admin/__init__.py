"""What staff see: numbers and their limits, attempts and their story, all masked. Services do whatever staff do here.

A site with an ``AdminSite`` of its own registers the same classes on it.
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
