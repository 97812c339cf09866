"""What several subcommands tell the operator."""

from __future__ import annotations

from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.core.origins import parse_origin
from django_cors_guard.management.subcommands.console import Console
from django_cors_guard.management.subcommands.database import alias
from django_cors_guard.models import PolicyState
from django_cors_guard.wording import word_mend


def say_revision(console: Console) -> None:
    """Tell the revision that was just written, and when it reaches every process."""
    console.say(
        _("Revision %(revision)d. Every process follows within %(seconds)g s.")
        % {"revision": PolicyState.read(alias()).revision, "seconds": conf.current().refresh_seconds}
    )


def show_mends(console: Console, text: str) -> None:
    """Tell what was mended in the origin ``text`` as it was typed."""
    parsed = parse_origin(text)
    if parsed.mended and parsed.origin is not None:
        how = "; ".join(word_mend(mend) for mend in parsed.mended)
        console.say(
            _("%(given)r was read as %(origin)s: %(how)s.")
            % {"given": text, "origin": parsed.origin.text, "how": how}
        )  # fmt: skip
