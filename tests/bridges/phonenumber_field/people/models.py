"""A user model with a number on file, and a profile with a number in a plain text field."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from phonenumber_field.modelfields import PhoneNumberField

from django_telroi.contrib.phonenumber_field import IsVerified


class Member(AbstractUser):
    phone = PhoneNumberField(blank=True)
    is_phone_verified = IsVerified("phone")


class Person(models.Model):
    mobile = models.CharField(max_length=16, unique=True, null=True)  # noqa: DJ001 - unique, and most have none
    is_mobile_verified = IsVerified("mobile", user="member", purpose="mobile")

    class Meta:
        abstract = True


class Profile(Person):
    member = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")

    def __str__(self) -> str:
        return f"profile of {self.member}"
