"""The rows as they first were."""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import django_telroi.models.database_clock
import django_telroi.models.exact
import django_telroi.models.sealed


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BlockedDestination",
            fields=[
                (
                    "destination",
                    models.CharField(max_length=16, primary_key=True, serialize=False, verbose_name="destination"),
                ),
                ("blocked_at", models.DateTimeField(verbose_name="blocked")),
                ("until", models.DateTimeField(blank=True, null=True, verbose_name="blocked until")),
                ("blocked_by", models.CharField(blank=True, max_length=150, verbose_name="blocked by")),
                ("reason", models.CharField(blank=True, max_length=200, verbose_name="reason of the block")),
            ],
            options={
                "verbose_name": "blocked prefix or region",
                "verbose_name_plural": "blocked prefixes and regions",
                "permissions": [("block_destination", "Can block and unblock prefixes and regions")],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="CallControl",
            fields=[
                (
                    "name",
                    django_telroi.models.exact.ExactCharField(
                        blank=True,
                        default="",
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                        verbose_name="name of the key",
                    ),
                ),
                ("stopped_at", models.DateTimeField(blank=True, null=True, verbose_name="stopped")),
                ("stopped_by", models.CharField(blank=True, max_length=150, verbose_name="stopped by")),
                ("stopped_reason", models.CharField(blank=True, max_length=200, verbose_name="reason of the stop")),
                ("paused_until", models.DateTimeField(blank=True, null=True, verbose_name="paused until")),
                ("paused_reason", models.CharField(blank=True, max_length=40, verbose_name="reason of the pause")),
                (
                    "paused_key",
                    django_telroi.models.exact.ExactCharField(blank=True, editable=False, max_length=64),
                ),
                (
                    "codes_refused_until",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="own codes refused until"),
                ),
                (
                    "codes_refused_key",
                    django_telroi.models.exact.ExactCharField(blank=True, editable=False, max_length=64),
                ),
                ("day", models.DateField(blank=True, null=True, verbose_name="day of the count")),
                ("day_calls", models.PositiveIntegerField(default=0, verbose_name="calls of that day")),
            ],
            options={
                "verbose_name": "call control",
                "verbose_name_plural": "call control",
                "permissions": [("stop_calls", "Can stop and resume all calls")],
            },
        ),
        migrations.CreateModel(
            name="PhoneNumber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "number",
                    django_telroi.models.sealed.SealedCharField(part="number", unique=True, verbose_name="number"),
                ),
                ("last4", django_telroi.models.sealed.SealedCharField(part="last4", verbose_name="last digits")),
                ("region", models.CharField(blank=True, max_length=3, verbose_name="region")),
                ("calls", models.JSONField(blank=True, default=list, verbose_name="calls that count")),
                ("last_call_at", models.DateTimeField(blank=True, null=True, verbose_name="last call")),
                (
                    "next_call_at",
                    models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="next call possible"),
                ),
                (
                    "limited_by",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("cooldown", "cooling down"),
                            ("hourly_limit", "hour full"),
                            ("daily_limit", "day full"),
                            ("held", "held by the provider"),
                        ],
                        max_length=16,
                        verbose_name="limited by",
                    ),
                ),
                ("held_at", models.DateTimeField(blank=True, null=True, verbose_name="held by the provider since")),
                ("held_until", models.DateTimeField(blank=True, null=True, verbose_name="held by the provider until")),
                ("held_reason", models.CharField(blank=True, max_length=200, verbose_name="reason of the hold")),
                ("blocked_at", models.DateTimeField(blank=True, null=True, verbose_name="blocked")),
                ("blocked_by", models.CharField(blank=True, max_length=150, verbose_name="blocked by")),
                ("blocked_reason", models.CharField(blank=True, max_length=200, verbose_name="reason of the block")),
                ("wrong_codes", models.PositiveIntegerField(default=0, verbose_name="consecutive wrong codes")),
                ("last_wrong_code_at", models.DateTimeField(blank=True, null=True, verbose_name="last wrong code")),
                ("blocked_by_owner", models.BooleanField(default=False, verbose_name="blocked at its owner's wish")),
                ("blocked_by_staff", models.BooleanField(default=False, verbose_name="blocked by staff")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django_telroi.models.database_clock.DbNow(), verbose_name="first seen"
                    ),
                ),
                ("version", models.PositiveBigIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "phone number",
                "verbose_name_plural": "phone numbers",
                "permissions": [
                    ("view_full_number", "Can see a full phone number"),
                    ("block_number", "Can block and unblock phone numbers"),
                    ("release_number", "Can release a hold of the provider"),
                    ("reset_limits", "Can reset the limits of a number"),
                    ("reset_wrong_codes", "Can reset the wrong codes of a number or a user"),
                    ("move_number", "Can move a verified number to another account"),
                    ("erase_number", "Can erase a phone number and all its rows"),
                    ("view_overview", "Can see the overview of all calls"),
                ],
                "indexes": [
                    models.Index(fields=["last4"], name="telroi_number_by_last4"),
                    models.Index(fields=["last_call_at"], name="telroi_number_by_last_call"),
                    models.Index(fields=["region"], name="telroi_number_by_region"),
                    models.Index(fields=["blocked_at"], name="telroi_number_by_block"),
                    models.Index(fields=["last_wrong_code_at"], name="telroi_number_by_wrong_code"),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusalTally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("code", models.CharField(max_length=32, verbose_name="code")),
                ("region", models.CharField(blank=True, max_length=3, verbose_name="region")),
                ("count", models.PositiveIntegerField(default=0, verbose_name="refusals")),
            ],
            options={
                "verbose_name": "refusals of an hour",
                "verbose_name_plural": "refusals by hour",
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "code", "region"), name="telroi_refusals_once_an_hour")
                ],
            },
        ),
        migrations.CreateModel(
            name="UserWrongCodes",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                ("wrong_codes", models.PositiveIntegerField(default=0, verbose_name="consecutive wrong codes")),
                ("last_wrong_code_at", models.DateTimeField(blank=True, null=True, verbose_name="last wrong code")),
                ("by_number", models.JSONField(default=dict, editable=False)),
                ("version", models.PositiveBigIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "wrong codes of a user",
                "verbose_name_plural": "wrong codes of users",
                "default_permissions": (),
                "indexes": [models.Index(fields=["last_wrong_code_at"], name="telroi_user_by_wrong_code")],
            },
        ),
        migrations.CreateModel(
            name="ConsentText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version_name", models.CharField(max_length=64, verbose_name="version")),
                ("text", models.TextField(verbose_name="text")),
                ("sha256", models.CharField(editable=False, max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django_telroi.models.database_clock.DbNow(), verbose_name="first accepted"
                    ),
                ),
            ],
            options={
                "verbose_name": "text of consent",
                "verbose_name_plural": "texts of consent",
                "constraints": [models.UniqueConstraint(fields=("sha256",), name="telroi_consent_text_once")],
            },
        ),
        migrations.CreateModel(
            name="VerificationAttempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="public id")),
                ("last4", django_telroi.models.sealed.SealedCharField(part="last4", verbose_name="last digits")),
                ("region", models.CharField(blank=True, max_length=3, verbose_name="region")),
                (
                    "prefix",
                    django_telroi.models.sealed.SealedCharField(blank=True, part="prefix", verbose_name="prefix"),
                ),
                (
                    "purpose",
                    django_telroi.models.exact.ExactCharField(blank=True, max_length=64, verbose_name="purpose"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("dialing", "calling"),
                            ("placed", "called"),
                            ("unknown", "outcome unknown"),
                            ("verified", "verified"),
                            ("locked", "too many wrong codes"),
                            ("failed", "failed"),
                            ("expired", "expired"),
                            ("canceled", "canceled"),
                            ("superseded", "replaced by a newer call"),
                        ],
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                (
                    "dispatch",
                    models.CharField(
                        choices=[("inline", "at once"), ("celery", "by a worker"), ("tasks", "by a worker")],
                        max_length=6,
                        verbose_name="dispatch",
                    ),
                ),
                (
                    "key_name",
                    django_telroi.models.exact.ExactCharField(
                        default="default", editable=False, max_length=64, verbose_name="key"
                    ),
                ),
                (
                    "telroi_id",
                    django_telroi.models.exact.ExactCharField(
                        blank=True, max_length=200, null=True, verbose_name="provider's id"
                    ),
                ),
                ("livemode", models.BooleanField(blank=True, null=True, verbose_name="live")),
                ("language", models.CharField(blank=True, max_length=35, verbose_name="language")),
                ("code_length", models.PositiveSmallIntegerField(default=6, editable=False)),
                (
                    "judge",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "not known yet"),
                            ("site", "this site"),
                            ("telroi", "the provider"),
                            ("caller", "another package of this site"),
                        ],
                        max_length=6,
                        verbose_name="codes checked by",
                    ),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0, verbose_name="tries")),
                ("max_tries", models.PositiveSmallIntegerField(verbose_name="tries allowed")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django_telroi.models.database_clock.DbNow(), verbose_name="requested"
                    ),
                ),
                ("dialed_at", models.DateTimeField(blank=True, null=True, verbose_name="dialed")),
                ("placed_at", models.DateTimeField(blank=True, null=True, verbose_name="accepted by the provider")),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("verified_at", models.DateTimeField(blank=True, null=True, verbose_name="verified")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed")),
                ("due_at", models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="due")),
                ("had_user", models.BooleanField(default=False, editable=False)),
                ("is_again", models.BooleanField(default=False, editable=False)),
                (
                    "known_requester",
                    models.BooleanField(editable=False, null=True, verbose_name="requester known with the number"),
                ),
                ("followed_by", models.UUIDField(editable=False, null=True)),
                ("asked", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("judging", models.JSONField(default=dict, editable=False)),
                ("code_digest", models.CharField(blank=True, editable=False, max_length=64)),
                ("proof_spent_at", models.DateTimeField(blank=True, null=True, verbose_name="proof used")),
                ("error_code", models.CharField(blank=True, max_length=40, verbose_name="error")),
                ("error_detail", models.CharField(blank=True, max_length=200, verbose_name="provider's words")),
                (
                    "requester_ip",
                    models.GenericIPAddressField(blank=True, null=True, verbose_name="requester's address"),
                ),
                ("consented_at", models.DateTimeField(blank=True, null=True, verbose_name="consented")),
                (
                    "consent",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="django_telroi.consenttext",
                        verbose_name="consent",
                    ),
                ),
                (
                    "phone",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="django_telroi.phonenumber",
                        verbose_name="number",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "verification attempt",
                "verbose_name_plural": "verification attempts",
                "permissions": [("export_attempts", "Can export verification attempts")],
            },
        ),
        migrations.CreateModel(
            name="AttemptEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("code_rejected", "wrong code"),
                            ("code_unjudged", "code not judged"),
                            ("late_reply", "late answer"),
                            ("webhook", "webhook"),
                            ("alert", "alert"),
                            ("number_blocked", "number blocked"),
                            ("owner_blocked", "blocked at its owner's wish"),
                            ("number_unblocked", "number unblocked"),
                            ("hold_released", "hold released"),
                            ("limits_reset", "limits reset"),
                            ("wrong_codes_reset", "wrong codes reset"),
                            ("user_wrong_codes_reset", "wrong codes of the user reset"),
                            ("number_revealed", "full number shown"),
                            ("number_moved", "number moved to another account"),
                            ("number_erased", "number erased"),
                            ("calls_stopped", "all calls stopped"),
                            ("calls_resumed", "calls resumed"),
                            ("destination_blocked", "prefix or region blocked"),
                            ("destination_unblocked", "prefix or region unblocked"),
                            ("logged_in", "logged in"),
                            ("reviewer_number", "number of an app reviewer, not called"),
                            ("reviewer_login", "app reviewer logged in"),
                        ],
                        max_length=32,
                        verbose_name="kind",
                    ),
                ),
                ("at", models.DateTimeField(db_default=django_telroi.models.database_clock.DbNow(), verbose_name="at")),
                ("actor", models.CharField(blank=True, max_length=150, verbose_name="by")),
                ("detail", models.CharField(blank=True, max_length=200, verbose_name="detail")),
                ("digest", models.CharField(blank=True, editable=False, max_length=64, null=True, unique=True)),
                (
                    "call_id",
                    django_telroi.models.exact.ExactCharField(editable=False, max_length=200, null=True),
                ),
                ("try_id", models.PositiveSmallIntegerField(editable=False, null=True)),
                (
                    "phone",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="django_telroi.phonenumber",
                        verbose_name="number",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="django_telroi.verificationattempt",
                        verbose_name="attempt",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
            },
        ),
        migrations.CreateModel(
            name="VerifiedPhone",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", django_telroi.models.sealed.SealedCharField(part="number", verbose_name="number")),
                (
                    "purpose",
                    django_telroi.models.exact.ExactCharField(blank=True, max_length=64, verbose_name="purpose"),
                ),
                ("verified_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="verified")),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="django_telroi.verificationattempt",
                        verbose_name="attempt",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="verified_phones",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "verified phone",
                "verbose_name_plural": "verified phones",
            },
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["phone", "-created_at"], name="telroi_attempt_of_number"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["created_at"], name="telroi_attempt_by_moment"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["status", "created_at"], name="telroi_attempt_by_status"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["error_code", "created_at"], name="telroi_attempt_by_error"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["purpose", "created_at"], name="telroi_attempt_by_purpose"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["region", "created_at"], name="telroi_attempt_by_region"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["livemode", "created_at"], name="telroi_attempt_by_mode"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["key_name", "created_at"], name="telroi_attempt_by_key"),
        ),
        migrations.AddIndex(
            model_name="verificationattempt",
            index=models.Index(fields=["requester_ip", "created_at"], name="telroi_attempt_by_address"),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.UniqueConstraint(fields=("telroi_id", "key_name"), name="telroi_attempt_telroi_id_once"),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "queued",
                            "dialing",
                            "placed",
                            "unknown",
                            "verified",
                            "locked",
                            "failed",
                            "expired",
                            "canceled",
                            "superseded",
                        ],
                    )
                ),
                name="telroi_attempt_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationattempt",
            constraint=models.CheckConstraint(
                condition=models.Q(("tries__lte", models.F("max_tries"))), name="telroi_attempt_tries_within"
            ),
        ),
        migrations.AddIndex(
            model_name="attemptevent",
            index=models.Index(fields=["kind", "at"], name="telroi_event_by_kind"),
        ),
        migrations.AddIndex(
            model_name="attemptevent",
            index=models.Index(fields=["at"], name="telroi_event_by_moment"),
        ),
        migrations.AddIndex(
            model_name="verifiedphone",
            index=models.Index(fields=["number", "verified_at"], name="telroi_verified_of_number"),
        ),
        migrations.AddIndex(
            model_name="verifiedphone",
            index=models.Index(fields=["verified_at"], name="telroi_verified_by_moment"),
        ),
        migrations.AddIndex(
            model_name="verifiedphone",
            index=models.Index(fields=["purpose", "verified_at"], name="telroi_verified_by_purpose"),
        ),
        migrations.AddConstraint(
            model_name="verifiedphone",
            constraint=models.UniqueConstraint(fields=("user", "number", "purpose"), name="telroi_verified_phone_once"),
        ),
        migrations.CreateModel(
            name="SupportNote",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("text", models.CharField(max_length=500, verbose_name="text")),
                ("author", models.CharField(blank=True, max_length=150, verbose_name="author")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django_telroi.models.database_clock.DbNow(), verbose_name="written"
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="django_telroi.verificationattempt",
                        verbose_name="attempt",
                    ),
                ),
                (
                    "phone",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="django_telroi.phonenumber",
                        verbose_name="number",
                    ),
                ),
            ],
            options={
                "verbose_name": "note",
                "verbose_name_plural": "notes",
                "permissions": [("add_note", "Can add a note to a number or an attempt")],
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["phone", "created_at"], name="telroi_note_of_number"),
                    models.Index(fields=["created_at"], name="telroi_note_by_moment"),
                ],
            },
        ),
    ]
