"""The page for trusting: asked, looked at, and only then saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard import services
from django_cors_guard.admin.base import actor_of
from django_cors_guard.admin.trusting.ask import Asked, environments_of, list_wishes
from django_cors_guard.admin.trusting.effect import Choices, Effect
from django_cors_guard.admin.trusting.expiry import Limit
from django_cors_guard.admin.trusting.form import TrustForm
from django_cors_guard.admin.trusting.lines import Pasted, write_lines
from django_cors_guard.admin.trusting.preview import EXPIRY_PROBLEMS, Found, Row, find_all, lay_row
from django_cors_guard.admin.trusting.seal import Difference, compare, seal_of
from django_cors_guard.models import TrustedOrigin

#: Fields that say what is asked for; while one of them is wrong, there is nothing to be saved.
_ASKING: Final = frozenset({"origins", "environments", "api_groups", NON_FIELD_ERRORS})


@dataclass(frozen=True, slots=True)
class Look:
    """What a request comes to. ``seal`` is blank where it cannot be saved, whatever else is chosen."""

    asked: tuple[Asked, ...]
    rows: tuple[Row, ...]
    found: tuple[Sequence[Found], ...]
    chosen: Choices
    seal: str
    difference: Difference
    compared_all: bool

    @property
    def blocked(self) -> list[Row]:
        """The lines that cannot be trusted; while there is one, none is."""
        return [row for row in self.rows if row.problems]

    @property
    def is_serious(self) -> bool:
        """Whether there are risks that must have been read."""
        return any(row.is_serious for row in self.rows)

    @property
    def can_be_mended(self) -> bool:
        """Whether some line can be replaced by what to type instead."""
        return any(row.suggestion for row in self.rows)

    def count(self, *effects: Effect) -> int:
        """Return how many grants have one of these effects."""
        return sum(one.effect in effects for line in self.found for one in line)


def look_at(request: HttpRequest, form: TrustForm, token: str | None = None) -> Look:
    """Check ``form``, add what the services say to it, and return what is to be shown.

    ``token`` is the seal of the preview that somebody has said yes to.
    """
    is_in_order = form.is_valid() or not _ASKING & set(form.errors)
    chosen = form.as_choices()
    previews = services.preview_wishes(list_wishes(form.asked, chosen.ends))
    found = find_all(form.asked, previews, chosen)
    _add_end_problems(form, found)
    seal = seal_of(request.user, form.asked, found, form.end_token())
    difference = compare(token, seal, form.asked) if token is not None else Difference()
    rows = [
        lay_row(request, asked, line, chosen, has_moved=asked.line.number in difference.moved)
        for asked, line in zip(form.asked, found, strict=True)
    ]
    return Look(
        asked=tuple(form.asked),
        rows=tuple(rows),
        found=tuple(found),
        chosen=chosen,
        seal=seal.sign() if is_in_order and not any(row.problems for row in rows) else "",
        difference=difference,
        compared_all=all(preview.compared_all for preview in previews),
    )


def save(request: HttpRequest, look: Look) -> list[TrustedOrigin]:
    """Trust what was looked at, all or nothing; raises what the services raise."""
    return services.trust_wishes(
        list_wishes(look.asked, look.chosen.ends),
        actor=actor_of(request),
        note=look.chosen.note,
        front_end=look.chosen.front_end,
    )


def take_suggestions(request: HttpRequest, form: TrustForm) -> QueryDict:
    """Return what was posted, with every line that has an evident correction corrected."""
    rows = look_at(request, form).rows
    data = request.POST.copy()
    corrections = {row.number: row.suggestion for row in rows if row.suggestion}
    data["origins"] = write_lines(data.get("origins", ""), corrections)
    return data


def word_pasted(pasted: Pasted) -> list[str]:
    """Return what was left out of the text."""
    said = [_("Line %(line)d says the same as line %(first)d.") % {"line": line, "first": first}
            for line, first in pasted.repeats]  # fmt: skip
    if pasted.blank:
        words = ngettext("%(count)d blank line was left out.", "%(count)d blank lines were left out.", pasted.blank)
        said.append(words % {"count": pasted.blank})
    return said


def word_asked(look: Look) -> str:
    """Return how much is asked for, in a line."""
    spots = {(spot.environment.pk, spot.api_group.pk) for one in look.asked for spot in one.spots}
    count = len(look.asked)
    origins = ngettext("%(count)d origin", "%(count)d origins", count) % {"count": count}
    places = ngettext("%(count)d place", "%(count)d places", len(spots)) % {"count": len(spots)}
    return _("%(origins)s for %(places)s") % {"origins": origins, "places": places}


def _add_end_problems(form: TrustForm, found: Sequence[Sequence[Found]]) -> None:
    """What stands against the end is said where it is chosen."""
    if "ends" not in form.cleaned_data:
        return
    every = [one for line in found for one in line]
    codes = {problem for one in every for problem in one.preview.problems if problem.code in EXPIRY_PROBLEMS}
    words = [problem.value for problem in codes if problem.code == "invalid_expiry"]
    if any(problem.code == "trusted_too_long" for problem in codes):
        words.append(f"{Limit.of(environments_of(form.asked))}.")
    if any(one.effect == Effect.NEEDS_END for one in every):
        words.append(_("There are grants already that let nobody in: choose an end that lies ahead, to renew them."))
    for text in words:
        form.add_error("ends", text)
