"""The codes that requests, rows and the API speak in, each with its words."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from django_cors_guard import wording
from django_cors_guard.core.decision import Isolation, Kind, Mode, Outcome, Reason, ResourcePolicy
from django_cors_guard.models.api_group import IsolationChoice, ResourcePolicyChoice
from django_cors_guard.models.environment import ModeChoice
from docs.generated.markdown import code, escape, table


def describe_reasons() -> str:
    """Return the reason codes: those that let a request through, and the refusals."""
    admissions = [reason for reason in Reason if not reason.is_refusal]
    refusals = [reason for reason in Reason if reason.is_refusal]
    return "\n\n".join(
        [
            "## What lets a request through",
            _list(admissions, wording.REASONS),
            "## Refusals",
            _list(refusals, wording.REASONS),
        ]
    )


def describe_others() -> str:
    """Return the other codes that stand in rows and answers."""
    return "\n\n".join(
        [
            *_section("Kinds", Kind, wording.KINDS, "What sort of request a rejection tells of."),
            *_section("Outcomes", Outcome, _comments(Outcome), Outcome.__doc__),
            *_section("Modes", Mode, _labels(ModeChoice), "How strict an environment, or an API group there, is."),
            *_section("Isolation", Isolation, _labels(IsolationChoice), IsolationChoice.__doc__),
            *_section("Resource policies", ResourcePolicy, _labels(ResourcePolicyChoice), ResourcePolicyChoice.__doc__),
            *_section(
                "Actions of the history", wording.ACTIONS, wording.ACTIONS, "What happened to a row of the policy."
            ),
            *_section("Processes", wording.PROCESSES, wording.PROCESSES, "How a process stands to a revision."),
        ]
    )


def _section(title: str, found: Iterable[str], words: Mapping[str, Any], said: str | None) -> list[str]:
    return [f"## {title}", escape(said or ""), _list(found, words)]


def _list(found: Iterable[str], words: Mapping[str, Any]) -> str:
    return table(["code", "meaning"], ([code(str(item)), escape(words[str(item)])] for item in found))


def _comments(codes: type[StrEnum]) -> dict[str, str]:
    """Return what the code says above each; where it says nothing, what the reason of that name means."""
    found = ModuleAnalyzer.for_module(codes.__module__).find_attr_docs()
    said = {str(item): " ".join(found.get((codes.__name__, item.name), [])).strip() for item in codes}
    return {item: words or str(wording.REASONS[item]) for item, words in said.items()}


def _labels(choices: Any) -> dict[str, str]:
    """Return the choices' labels without the code that some begin with."""
    return {str(value): str(label).removeprefix(f"{value}: ") for value, label in choices.choices}
