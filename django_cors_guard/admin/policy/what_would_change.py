"""The page that tells what would change for those who were refused lately if an environment became stricter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from django_cors_guard import conf
from django_cors_guard.admin.policy import outlook as words
from django_cors_guard.admin.rejections.cards import PROVES_NOTHING
from django_cors_guard.core.decision import Mode
from django_cors_guard.core.policy import OWN_GROUP
from django_cors_guard.models import ApiGroup, Environment
from django_cors_guard.services.consequences.modes import Step, list_isolating, list_modes, read_own_modes
from django_cors_guard.services.consequences.outlook import PERIODS, look_ahead

TEMPLATE: Final = "admin/cors_guard/environment/what_would_change.html"
#: Modes that something can become stricter to.
STRICTER: Final = (Mode.ENFORCE, Mode.BLOCK)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: one API group or (None) all that follow the environment's mode, a mode, and how far back."""

    group: ApiGroup | None
    mode: Mode
    days: int

    @classmethod
    def read(cls, request: HttpRequest, environment: Environment, groups: list[ApiGroup]) -> Question:
        """Return what the address asks for; what is not understood counts as left out."""
        asked, mode, days = (request.GET.get(name, "") for name in ("api_group", "mode", "days"))
        group = next((row for row in groups if str(row.pk) == asked), None)
        known = [item for item in STRICTER if item == mode]
        return cls(
            group=group,
            mode=known[0] if known else Mode.BLOCK if environment.mode == Mode.ENFORCE else Mode.ENFORCE,
            days=next((item for item in PERIODS if str(item) == days), PERIODS[0]),
        )

    def list_steps(self, modes: dict[str, Mode], own: dict[str, str], isolating: set[str]) -> list[Step]:
        """Return the API groups that would become stricter; those with a mode of their own do not follow."""
        asked = [self.group.slug] if self.group is not None else [slug for slug in modes if slug not in own]
        steps = [Step(slug, modes[slug], self.mode, slug in isolating) for slug in sorted(asked)]
        return [step for step in steps if step.is_stricter]


def show_outlook(request: HttpRequest, site: AdminSite, environment: Environment) -> TemplateResponse:
    """Return the page; whoever calls has looked whether the user may see it."""
    groups = list(ApiGroup.objects.order_by("name"))
    own = read_own_modes(environment)
    question = Question.read(request, environment, groups)
    modes = list_modes(environment, own, [row.slug for row in groups])
    steps = question.list_steps(modes, own, list_isolating(groups))
    outlook = look_ahead(environment.slug, steps, days=question.days) if steps else None
    limit = conf.current().max_mode
    context: dict[str, Any] = {
        "title": _("What would change?"),
        "subtitle": str(environment),
        "environment": environment,
        "opts": Environment._meta,
        "question": question,
        "groups": groups,
        "modes": STRICTER,
        "periods": PERIODS,
        "outlook": words.describe(request, outlook) if outlook is not None else None,
        "keep_modes": sorted(slug for slug in own if question.group is None and slug != OWN_GROUP),
        "limit": limit if limit.strictness < question.mode.strictness else "",
        "note": PROVES_NOTHING,
    }
    return TemplateResponse(request, TEMPLATE, {**site.each_context(request), **context})
