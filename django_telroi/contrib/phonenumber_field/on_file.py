"""``IsVerified``: copies verified numbers into a model field, and forgets a number that the field no longer has.

Models import this module, so it imports our own models and services only inside functions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any, Self, overload

from django.apps import apps
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import Error, models, transaction
from django.db.models.signals import post_save, pre_save

from django_telroi import signals
from django_telroi.redaction import Secret

logger = logging.getLogger("django_telroi")

MAX_NUMBER_LENGTH = 16
"""Characters of the longest number in E.164 form."""


class IsVerified:
    """A read-only attribute of a model: whether the user verified the number that is in a field of this model now.

    ::

        class User(AbstractUser):
            phone = PhoneNumberField(blank=True)
            is_phone_verified = IsVerified("phone")

    ``field``: a ``PhoneNumberField`` or a ``CharField`` for 16 characters. ``user``: the name of the foreign key to the
    user, for a model that is not the user model itself. ``purpose``: the purpose of the verifications.

    A number that the user verifies for ``purpose`` is written to the field. It replaces the old number as
    ``services.change_phone`` does, which sends ``phone_changed``. If your code saves the model with another number, or
    without one, the old number is removed from the user's verified phones of ``purpose``. So the gates ask again.
    """

    def __init__(self, field: str, *, user: str | None = None, purpose: str = "") -> None:
        self.field = field
        self.user = user
        self.purpose = purpose

    def contribute_to_class(self, model: type[models.Model], name: str) -> None:
        """Called by Django for each attribute of a model. Connects the signals and registers the check."""
        self.model, self.name = model, name
        self._old_number = f"_{name}_old_number"
        self._is_copied = f"_{name}_is_copied"
        setattr(model, name, self)
        # Without a sender: the sender is a subclass if ``model`` is abstract or has proxies.
        uid = (model._meta.label, name)
        signals.phone_verified.connect(self._copy, dispatch_uid=uid)
        pre_save.connect(self._remember_old_number, dispatch_uid=uid)
        post_save.connect(self._forget_old_number, dispatch_uid=uid)
        checks.register(partial(self._check), checks.Tags.models)  # not the method: Django sets an attribute on it

    @overload
    def __get__(self, row: None, model: type[models.Model]) -> Self: ...
    @overload
    def __get__(self, row: models.Model, model: type[models.Model]) -> bool: ...
    def __get__(self, row: models.Model | None, model: type[models.Model]) -> Self | bool:
        """Return whether the field's number is verified. One query, if the field has a number."""
        if row is None:
            return self
        from django_telroi import services

        number, user = self._number_in(row), self._user_of(row)
        if number is None or user is None:
            return False
        return services.verified_phones(user).filter(number=number, purpose=self.purpose).exists()

    def __set__(self, row: models.Model, value: object) -> None:
        raise AttributeError(f"{self.name} is read-only. It is True while the number in {self.field} is verified.")

    def _copy(self, sender: object, attempt: Any, user: Any, **kwargs: Any) -> None:
        """Write the number of ``attempt`` to the rows of ``user``. The receiver of ``phone_verified``."""
        if user is None or attempt.purpose != self.purpose:
            return
        from django_telroi import services

        number, rows = attempt.number, list(self._rows_of(user))
        if self.user is not None and not rows:
            logger.error("number_not_copied model=%s error=NoRow", self.model._meta.label)
        for row in rows:
            if self._number_in(row) == number:
                continue
            setattr(row, self.field, str(number))
            setattr(row, self._is_copied, True)
            try:
                with transaction.atomic():
                    row.save(update_fields=[self.field])
            except Error as error:
                # For example, the field is unique. Logged here, because the text of the error may contain the number.
                logger.error("number_not_copied model=%s error=%s", row._meta.label, type(error).__name__)
                continue
            finally:
                delattr(row, self._is_copied)
            # After the transaction of the row: change_phone locks the numbers first, as every verification does.
            # With both in one transaction, two verifications could wait for each other.
            if old := getattr(row, self._old_number, None):
                services.change_phone(user, old=old, new=number, purpose=self.purpose)

    def _rows_of(self, user: Any) -> Iterable[models.Model]:
        if self.user is None:
            return [user] if isinstance(user, self.model) else []
        return [row for model in self._tables() for row in model._base_manager.filter(**{self.user: user.pk})]

    def _tables(self) -> list[type[models.Model]]:
        """Return the model, or the models that inherit from it if it is abstract."""
        if not self.model._meta.abstract:
            return [self.model]
        return [model for model in apps.get_models() if issubclass(model, self.model) and not model._meta.proxy]

    def _remember_old_number(
        self, sender: type[models.Model], instance: models.Model, update_fields: Any, using: str, **kwargs: Any
    ) -> None:
        if not isinstance(instance, self.model):
            return
        is_written = not instance._state.adding and (update_fields is None or self.field in update_fields)
        # Read from the database: the instance may have been loaded long ago, or with the field deferred.
        old = sender._base_manager.using(using).filter(pk=instance.pk).first() if is_written else None
        setattr(instance, self._old_number, None if old is None else self._number_in(old))

    def _forget_old_number(self, sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
        # A copied number is verified, so the old one is replaced by ``change_phone``. If it were removed here,
        # ``change_phone`` would find no old record and would not send ``phone_changed`` to warn its owner.
        if not isinstance(instance, self.model) or getattr(instance, self._is_copied, False):
            return
        from django_telroi import services

        old, user = getattr(instance, self._old_number, None), self._user_of(instance)
        if old is not None and user is not None and old != self._number_in(instance):
            services.forget_phone(user, old, purpose=self.purpose)

    def _user_of(self, row: models.Model) -> Any:
        return row if self.user is None else getattr(row, self.user)

    def _number_in(self, row: models.Model) -> str | None:
        """Return the number in the field, in E.164 form. None if it has none, or text that is no number."""
        from django_telroi.services.shared.arguments import spelled_number

        value = getattr(row, self.field)
        # A PhoneNumber of django-phonenumber-field is spelled as PHONENUMBER_DEFAULT_FORMAT says.
        text = getattr(value, "as_e164", value)
        number = spelled_number(str(text)) if text else None
        return None if number is None else Secret(number)

    def _check(self, app_configs: object, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return an error if the field does not exist, is too short, or can never be verified."""
        from django_telroi import conf

        found = [message for model in self._tables() for message in self._check_fields(model)]
        if not conf.writes_record(self.purpose):
            text = f"{self.name} is never True: its purpose {self.purpose!r} is in PURPOSES_WITHOUT_RECORD."
            hint = 'Remove the purpose from TELROI["PURPOSES_WITHOUT_RECORD"], or use another one.'
            found.append(checks.Error(text, hint=hint, obj=self.model, id="telroi_phonenumber_field.E003"))
        return found

    def _check_fields(self, model: type[models.Model]) -> Iterable[checks.CheckMessage]:
        for name in filter(None, (self.field, self.user)):
            try:
                field = model._meta.get_field(name)
            except FieldDoesNotExist:
                yield checks.Error(
                    f"{self.name} names the field '{name}', which does not exist.",
                    hint="Write the name of a field of the same model.",
                    obj=model,
                    id="telroi_phonenumber_field.E001",
                )
                continue
            longest = getattr(field, "max_length", None)
            if name == self.field and longest is not None and longest < MAX_NUMBER_LENGTH:
                yield checks.Error(
                    f"The field '{name}' has room for {longest} characters, but a number may have {MAX_NUMBER_LENGTH}.",
                    hint=f"Set max_length={MAX_NUMBER_LENGTH} or more.",
                    obj=model,
                    id="telroi_phonenumber_field.E002",
                )
