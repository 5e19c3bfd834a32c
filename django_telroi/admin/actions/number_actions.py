"""The staff actions on a number. Each asks for confirmation, needs its own permission and is logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from django_telroi import services
from django_telroi.domain.number_limits import DAY, used_in
from django_telroi.domain.phone import mask_digits_in
from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.models.sealed import is_number_sealed
from django_telroi.services.requester import plain
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.transactions import write_alias

Words = str | Promise
Answer = Mapping[str, Any]
"""The cleaned data of an action's form; empty if it has none."""

NOT_STORABLE = _("The database cannot store some of these characters, such as emoji. Remove them.")


class ReasonForm(forms.Form):
    """Asks for a reason. Phone numbers in it are masked, because it is saved in events and in the admin log."""

    focused = "reason"
    """The field that has the focus when the page opens."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("For colleagues. The person on the phone does not see it."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "dir": "auto"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields[self.focused].widget.attrs["autofocus"] = True

    def clean_reason(self) -> str:
        return text_to_save(self.cleaned_data["reason"], self.fields["reason"])


def text_to_save(text: str, field: forms.Field) -> str:
    """Return ``text`` on one line with masked numbers. Raises ValidationError if it is empty or cannot be stored."""
    # Masked before it is checked and saved. The text must not bring a number back into the log.
    saved = mask_digits_in(plain(text), shows_ends=not is_number_sealed())
    if not saved:
        raise forms.ValidationError(field.error_messages["required"], code="required")
    if not is_storable(saved, using=write_alias()):
        raise forms.ValidationError(NOT_STORABLE, code="unstorable")
    return saved


class MoveForm(ReasonForm):
    """Asks for the account that the number moves to, and a reason."""

    focused = "account"
    account = forms.CharField(
        label=_("New account"),
        required=False,
        max_length=254,
        help_text=_("The name that the user logs in with. Leave it empty to remove the number from its account only."),
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "dir": "auto"}),
    )
    field_order = ("account", "reason")

    def clean_account(self) -> AbstractBaseUser | None:
        name, users = self.cleaned_data["account"], get_user_model()
        if not name:
            return None
        # The database would raise an error for a name that it cannot store. No user has such a name.
        is_name = is_storable(name, using=write_alias())
        found = users._default_manager.filter(**{users.USERNAME_FIELD: name}) if is_name else ()
        user: AbstractBaseUser | None = next(iter(found), None)
        if user is None:
            raise forms.ValidationError(_("There is no user with this name."), code="no_user")
        return user


@dataclass(frozen=True)
class StaffAction:
    """An action of staff on a number.

    ``act`` performs it. Its arguments are the number's row, the name of the staff user and the cleaned data of
    ``form``. ``fits`` returns whether the action applies to a number; if it does not, ``idle`` is the message.
    ``done`` is the message of success. ``describe`` returns another one if it depends on the result of ``act``.
    ``done_to`` returns the message for several numbers, for an action that the list offers.
    """

    name: str
    permission: str
    label: Words
    question: Words
    consequence: Words
    done: Words
    idle: Words
    act: Callable[[PhoneNumber, str, Answer], object]
    fits: Callable[[PhoneNumber], bool]
    form: type[ReasonForm] | None = None
    describe: Callable[[Any, Answer], Words] | None = None
    done_to: Callable[[int], str] | None = None
    is_final: bool = False


def _words_after_unblocking(phone: PhoneNumber) -> Words:
    if phone.blocked_at is None:
        return _("The number is unblocked.")
    return pgettext_lazy("action", "The block of staff is lifted. The number stays blocked at its owner’s wish.")


def _words_after_lifting(phone: PhoneNumber) -> Words:
    if phone.blocked_at is None:
        return pgettext_lazy("action", "The owner's block is lifted.")
    return pgettext_lazy("action", "The owner's block is lifted. The number stays blocked by staff.")


BLOCK = StaffAction(
    name="block",
    permission="block_number",
    label=_("Block"),
    question=_("Block this number?"),
    consequence=_("A blocked number is not called for any user until staff unblock it."),
    done=_("The number is blocked."),
    idle=_("This number is already blocked."),
    act=lambda phone, actor, answer: services.block_number(phone.number, reason=answer["reason"], actor=actor),
    fits=lambda phone: not phone.has_staff_block,
    form=ReasonForm,
    done_to=lambda count: ngettext("%(count)d number is blocked.", "%(count)d numbers are blocked.", count),
)
UNBLOCK = StaffAction(
    name="unblock",
    permission="block_number",
    label=_("Unblock"),
    question=_("Unblock this number?"),
    consequence=pgettext_lazy(
        "action",
        "The number can be called again, within its limits, unless its owner asked not to be called.",
    ),
    done=_("The number is unblocked."),
    idle=pgettext_lazy(
        "action", "This number is not blocked, or its owner asked not to be called. Open its page to lift such a block."
    ),
    act=lambda phone, actor, answer: services.unblock_number(phone.number, actor=actor),
    fits=lambda phone: phone.has_staff_block,
    describe=lambda phone, answer: _words_after_unblocking(phone),
    done_to=lambda count: ngettext(
        "The block of staff is lifted for %(count)d number.",
        "The block of staff is lifted for %(count)d numbers.",
        count,
    ),
)
UNBLOCK_OWNERS = StaffAction(
    name="unblock-owner",
    permission="block_number",
    label=pgettext_lazy("action", "Lift the owner's block"),
    question=pgettext_lazy("action", "Lift the block that the owner of this number asked for?"),
    consequence=pgettext_lazy(
        "action",
        "The owner asked not to be called. Lift the block only if the owner wants calls again, and write how you know. "
        "A block of staff stays.",
    ),
    done=pgettext_lazy("action", "The owner's block is lifted."),
    idle=pgettext_lazy("action", "The owner of this number did not ask for a block."),
    act=lambda phone, actor, answer: services.unblock_number(phone.number, reason=answer["reason"], actor=actor),
    fits=lambda phone: phone.blocked_by_owner,
    form=ReasonForm,
    describe=lambda phone, answer: _words_after_lifting(phone),
)
RELEASE = StaffAction(
    name="release",
    permission="release_number",
    label=_("Release the hold"),
    question=_("Release the provider's hold on this number?"),
    consequence=_(
        "The provider requested a pause for this number. After the release it can be called again. If the provider "
        "still wants a pause, it rejects the next call, and the hold starts again."
    ),
    done=_("The hold is released."),
    idle=_("The provider does not hold this number."),
    act=lambda phone, actor, answer: services.release_hold(phone.number, actor=actor),
    fits=lambda phone: phone.held_until is not None and phone.held_until > timezone.now(),
)
RESET_LIMITS = StaffAction(
    name="reset",
    permission="reset_limits",
    label=_("Reset the limits"),
    question=_("Reset the limits of this number?"),
    consequence=_(
        "The calls of the last 24 hours no longer count. The number can be called at once, and all calls of its hour "
        "and its day are available again."
    ),
    done=_("The limits are reset."),
    idle=_("No call of this number counts."),
    act=lambda phone, actor, answer: services.reset_limits(phone.number, actor=actor),
    fits=lambda phone: used_in(phone.moments, now=timezone.now(), window=DAY) > 0,
)
RESET_WRONG_CODES = StaffAction(
    name="reset_wrong_codes",
    permission="reset_wrong_codes",
    label=_("Reset the wrong codes"),
    question=_("Reset the wrong codes of this number?"),
    consequence=_(
        "Wrong codes that visitors without a login typed for this number no longer count, and a wait or lock that "
        "follows from them ends. Do this only if the caller is the owner: a stranger who guesses gets new tries too."
    ),
    done=_("The wrong codes are reset."),
    idle=_("This number has no wrong codes."),
    act=lambda phone, actor, answer: services.reset_wrong_codes(phone.number, reason=answer["reason"], actor=actor),
    fits=lambda phone: phone.wrong_codes > 0,
    form=ReasonForm,
)
ERASE = StaffAction(
    name="erase",
    permission="erase_number",
    label=_("Erase"),
    question=_("Erase this number and all its rows?"),
    consequence=_(
        "Its attempts, their events and notes, and its verified phones are deleted permanently. Users who verified it "
        "must verify it again. The number itself stays while it is blocked, held or has calls in the last 24 hours, "
        "and keeps only its limits."
    ),
    done=_("The number's rows are erased."),
    idle=pgettext_lazy("action", "There is nothing left to erase."),
    act=lambda phone, actor, answer: services.erase_number(phone.number, actor=actor),
    fits=lambda phone: True,
    is_final=True,
)


def _moved_words(records: Sequence[VerifiedPhone], answer: Answer) -> Words:
    if records:
        return _("The number belongs to the new account.")
    if answer["account"]:
        return _("The number is removed from its account. The new account gets it when the person verifies it there.")
    return _("The number belongs to no account any more.")


MOVE = StaffAction(
    name="move",
    permission="move_number",
    label=_("Move to another account"),
    question=_("Move this number to another account?"),
    consequence=_(
        "Every account that has this number loses it. The new account gets it at once if it typed the right code later "
        "and was told that the number is taken. Otherwise the person must verify it again."
    ),
    done=_("The number is moved."),
    idle=_("No account has this number."),
    act=lambda phone, actor, answer: services.move_number(
        phone.number, user=answer["account"], reason=answer["reason"], actor=actor
    ),
    fits=lambda phone: VerifiedPhone.objects.filter(number=phone.number).exists(),
    form=MoveForm,
    describe=_moved_words,
)

# In the order of the buttons. The one that cannot be undone is the last.
STAFF_ACTIONS = (BLOCK, UNBLOCK, UNBLOCK_OWNERS, RELEASE, RESET_LIMITS, RESET_WRONG_CODES, MOVE, ERASE)
