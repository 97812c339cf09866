"""What a switch means, beside the switch: shown once it stands otherwise than it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_cors_guard.admin.display import word_duration
from django_cors_guard.models import Environment
from django_cors_guard.services.consequences.counts import GroupCounts
from django_cors_guard.services.consequences.environment_changes import SWITCHES
from django_cors_guard.services.consequences.fates import Switching
from django_cors_guard.wording import word_consequence


def add_panel(form: forms.BaseForm, name: str, *, is_on: bool, sentences: Iterable[str]) -> None:
    """Put ``sentences`` behind the help of the switch ``name``; ``is_on`` is how it is stored."""
    if name not in form.fields:
        return
    when = "off" if is_on else "on"
    panel = render_to_string("admin/cors_guard/policy/live.html", {"when": when, "sentences": list(sentences)})
    add_help(form, name, panel)


def add_help(form: forms.BaseForm, name: str, words: str) -> None:
    """Put ``words``, which are safe, behind the help of a field."""
    if name not in form.fields:
        return
    # The page shows what the bound field holds, and that may have been made before.
    bound = form[name]
    bound.help_text = format_html("{}{}", bound.help_text, words)


def word_credentials(counts: GroupCounts, *, is_on: bool) -> list[str]:
    """Return what switching an API group's credentials on, or off again, means."""
    active = counts.whole.active
    if is_on:
        return [word_consequence("credentials_off", active)]
    values = {"front_ends": counts.front_ends, "patterns": counts.patterns}
    sentences = [word_consequence("credentials_on", active, values)]
    if counts.insecure:
        sentences += [
            word_consequence("insecure_closed", counts.insecure),
            word_consequence("grants_closed", counts.insecure),
        ]
    return sentences


def word_csrf(counts: GroupCounts, *, is_on: bool) -> list[str]:
    """Return what trusting an API group's origins for CSRF, or no longer doing so, means."""
    return [word_consequence("csrf_off" if is_on else "csrf_on", counts.whole.active)]


def word_any_origin(counts: GroupCounts, *, patterns: int, is_on: bool) -> list[str]:
    """Return what switching “any origin” on, or off again, means."""
    whole = counts.whole
    if is_on:
        return [word_consequence("any_origin_off", whole.active)]
    sentences = [word_consequence("any_origin_on", patterns)]
    if whole.active:
        sentences.append(word_consequence("any_origin_grants", whole.active))
    if whole.revoked:
        sentences.append(word_consequence("any_origin_revoked", whole.revoked))
    return sentences


def word_switch(switch: str, switching: Switching, *, is_on: bool) -> list[str]:
    """Return what flipping one safety switch of an environment means."""
    if is_on:
        return [
            word_consequence("switch_off", switching.closes, {"switch": switch}),
            word_consequence("grants_closed", switching.closes),
        ]
    code, _need = SWITCHES[switch]
    sentences = [word_consequence(code)]
    if switching.opens:
        sentences.append(word_consequence("grants_opened", switching.opens))
    return sentences


def word_protection(environment: Environment) -> list[str]:
    """Return what protecting an environment, or no longer doing so, means."""
    return [word_consequence("protected_off" if environment.protected else "protected_on")]


def describe_isolation(count: int, log: str) -> str:
    """Return what isolation is about of late; ``log`` is where it stands row by row, or blank."""
    words = ngettext(
        "In the last 7 days %(count)d request was recorded that isolation refuses.",
        "In the last 7 days %(count)d requests were recorded that isolation refuses.",
        count,
    ) % {"count": count}
    linked = format_html('<a href="{}">{}</a>', log, words) if log and count else words
    return format_html('<p id="isolation-recorded">{}</p>', linked)


def describe_max_age(value: Any) -> str:
    """Return what a preflight's lifetime means; a sentence with the number as it is being typed."""
    text = str(value if value is not None else "").strip()
    is_number = text.isascii() and text.isdecimal() and len(text) < 10  # noqa: PLR2004 - longer ones are refused anyway
    words = word_duration(int(text)) if is_number else ""
    sentence = _("%(time)s: so long may browsers act on a preflight's answer, also after its origin was revoked.")
    return format_html(
        '<output id="max-age-words" for="id_max_age" data-sentence="{}">{}</output>',
        sentence % {"time": "{}"},
        sentence % {"time": words} if words else "",
    )
