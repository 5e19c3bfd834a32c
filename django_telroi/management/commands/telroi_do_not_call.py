"""``manage.py telroi_do_not_call NUMBER``: make the link for its owner, or block or unblock it at the owner's wish."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import CommandError, CommandParser
from django.urls import NoReverseMatch, get_script_prefix
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.client.origin import read_base_url
from django_telroi.errors import ChangedMeanwhile, InvalidNumber, ReasonRequired, Unavailable, UnstorableText
from django_telroi.management.output import PrintableCommand
from django_telroi.models import PhoneNumber
from django_telroi.services.staff.support import LINK_LIFETIME, do_not_call_path

ACTOR = "telroi_do_not_call"


class Command(PrintableCommand):
    help = (
        f"Print a link with which the owner of a number can block calls to it, valid for {LINK_LIFETIME.days} days. "
        "Or block or unblock the number at its owner's wish."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", help="the number; without +, DEFAULT_REGION applies")
        choice = parser.add_mutually_exclusive_group(required=True)
        choice.add_argument(
            "--link", metavar="URL", help="print the link; URL is the address of the site, such as https://example.com"
        )
        choice.add_argument("--block", action="store_true", help="block the number, because its owner asked for it")
        choice.add_argument("--unblock", metavar="REASON", help="lift the block; the reason is kept with the number")
        parser.add_argument("--actor", default=ACTOR, help="your name, for the history (default: %(default)s)")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        number, actor = options["number"], options["actor"]
        try:
            if options["link"] is not None:
                self.stdout.write(_site_address(options["link"]) + do_not_call_path(number))
            elif options["block"]:
                self.stdout.write(f"{services.block_for_owner(number, actor=actor)} is blocked at its owner's wish.")
            else:
                row = services.unblock_number(number, reason=options["unblock"], actor=actor)
                self.stdout.write(f"{row} {_after_unblocking(row)}.")
        except InvalidNumber:
            raise CommandError("This is not a phone number. Type it with + and the country code.") from None
        except NoReverseMatch:
            raise CommandError("The URLs of django_telroi are not included, so there is no page to link to.") from None
        except (ReasonRequired, UnstorableText) as error:
            raise CommandError(str(error)) from None
        except (ChangedMeanwhile, Unavailable):
            raise CommandError("The database does not answer, or the number changed just now. Try again.") from None


def _after_unblocking(row: PhoneNumber) -> str:
    if not row.was_changed:
        return "is not blocked"
    return "can be called again" if row.blocked_at is None else "is still blocked by staff; the owner's block is lifted"


def _site_address(url: str) -> str:
    """Return scheme, host and port of the site's address. Raises CommandError if it is invalid, like the parser."""
    try:
        read_base_url(url)
    except ValueError:
        raise CommandError(
            "--link needs the address of the site with https://, such as https://example.com. "
            "http:// is for localhost only.",
            returncode=2,
        ) from None
    parts = urlsplit(url)
    # The path of the page begins with this prefix already.
    if parts.path.strip("/") not in ("", get_script_prefix().strip("/")):
        raise CommandError(
            "--link needs the address of the site without a path, such as https://example.com. "
            "If the site runs below a path, set FORCE_SCRIPT_NAME.",
            returncode=2,
        )
    return f"{parts.scheme}://{parts.netloc}"
