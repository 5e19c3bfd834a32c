"""A user model of the site."""

from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Person(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)

    objects = BaseUserManager["Person"]()

    USERNAME_FIELD = "email"

    class Meta:
        app_label = "uuid_people"
