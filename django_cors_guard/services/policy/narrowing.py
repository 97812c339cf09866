"""A part of a document: one environment of it, and that environment under another name."""

from __future__ import annotations

from dataclasses import replace

from django_cors_guard.core.policy_file import FileEnvironment, PolicyFile
from django_cors_guard.core.policy_files.problems import Finding, PolicyProblem, finding
from django_cors_guard.services.policy.plans import Options


def narrow(document: PolicyFile, options: Options) -> tuple[PolicyFile, list[Finding]]:
    """Return what of ``document`` is asked for, and why that cannot be told."""
    if not (options.environment or options.as_environment):
        return document, []
    there = sorted({*(item.slug for item in document.environments), *(g.environment for g in document.trusted_origins)})
    if not options.environment and len(there) != 1:
        return document, [finding("environments", PolicyProblem.SEVERAL_ENVIRONMENTS, ", ".join(there[:20]))]
    source = options.environment or there[0]
    if source not in there:
        listed = ", ".join(there[:20])
        return document, [finding("environments", PolicyProblem.ENVIRONMENT_NOT_LISTED, source, listed)]
    return _carry(document, source, options.as_environment or source), []


def _carry(document: PolicyFile, source: str, target: str) -> PolicyFile:
    """API groups, their routes and front ends belong to no environment, and stay."""
    return replace(
        document,
        environments=tuple(_rename(item, target) for item in document.environments if item.slug == source),
        trusted_origins=tuple(
            replace(grant, environment=target) for grant in document.trusted_origins if grant.environment == source
        ),
    )


def _rename(environment: FileEnvironment, slug: str) -> FileEnvironment:
    """What is called staging must not be named Production."""
    return environment if environment.slug == slug else replace(environment, slug=slug, name="")
