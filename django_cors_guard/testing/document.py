"""``override_policy``: a whole policy file that decides for a while, without touching the database."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from django.utils.translation import gettext as _

from django_cors_guard.core.policy import EnvironmentRow, GroupRow
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, PolicyFile
from django_cors_guard.core.policy_files import TextFormat, read_document
from django_cors_guard.exceptions import InvalidRequest, UnknownName
from django_cors_guard.testing.draft import Draft
from django_cors_guard.testing.pinning import PinnedBlock
from django_cors_guard.validators import canonical_host, canonical_path_prefix
from django_cors_guard.wording import word_finding


class override_policy(PinnedBlock):  # noqa: N801 - named as Django's override_settings is
    """Decide by one environment of a policy file, in this process, for as long as the block runs.

    ``source`` is the path of a file as ``cors_guard export`` writes it (JSON if its name ends in ``.json``, else YAML)
    or a ``PolicyFile``. ``environment`` is the slug of the one to take; by default the active one. A context manager
    and a decorator, as ``trusted`` is, whose blocks within add to it; what blocks around it say does not count.

    Nothing is made easier than in a deployment: what breaks a safety rule of its environment is switched off. Raises
    ``InvalidRequest`` for a file that cannot be read, with everything that is wrong with it, and ``UnknownName`` if it
    has no such environment.
    """

    def __init__(self, source: PolicyFile | str | PathLike[str], *, environment: str = "") -> None:
        super().__init__()
        self._document = source if isinstance(source, PolicyFile) else _read(Path(source))
        self._environment = environment

    def add_to(self, draft: Draft) -> None:
        """Put the policy of the document in the place of what blocks around this one say."""
        wanted = self._environment or draft.environment.slug
        environment = _find(self._document, wanted)
        # Its settings, under the name that requests are counted under.
        draft.begin(_environment_row(environment, draft.environment.slug))
        modes = dict(environment.group_modes)
        for group in self._document.api_groups:
            routes = [(canonical_path_prefix(route.path_prefix), canonical_host(route.host)) for route in group.routes]
            draft.enter_group(_group_row(group, modes.get(group.slug)), routes)
        for grant in self._document.trusted_origins:
            if grant.environment == wanted:
                draft.grants[grant.api_group, grant.origin] = _grant_row(grant)


def _read(path: Path) -> PolicyFile:
    text_format = TextFormat.JSON if path.suffix.lower() == ".json" else TextFormat.YAML
    reading = read_document(path.read_bytes(), text_format)
    if reading.findings:
        lines = [_("%(file)s cannot be read:") % {"file": path}, *map(word_finding, reading.findings)]
        raise InvalidRequest("\n".join(lines))
    return reading.document


def _find(document: PolicyFile, slug: str) -> FileEnvironment:
    for environment in document.environments:
        if environment.slug == slug:
            return environment
    raise UnknownName("environment", slug, tuple(environment.slug for environment in document.environments))


def _environment_row(environment: FileEnvironment, slug: str) -> EnvironmentRow:
    return EnvironmentRow(
        slug=slug,
        mode=environment.mode,
        allow_insecure_http=environment.allow_insecure_http,
        allow_insecure_credentials=environment.allow_insecure_credentials,
        allow_loopback=environment.allow_loopback,
        allow_subdomain_patterns=environment.allow_subdomain_patterns,
        allow_custom_schemes=environment.allow_custom_schemes,
        max_trust_days=environment.max_trust_days,
    )


def _group_row(group: FileGroup, mode: str | None) -> GroupRow:
    return GroupRow(
        slug=group.slug,
        any_origin=group.any_origin,
        allow_credentials=group.allow_credentials,
        allow_methods=group.allow_methods,
        allow_headers=group.allow_headers,
        expose_headers=group.expose_headers,
        max_age=group.max_age,
        mode=mode,
        trusted_for_csrf=group.trusted_for_csrf,
        isolate=group.isolate,
        timing_allow_origin=group.timing_allow_origin,
        cross_origin_resource_policy=group.cross_origin_resource_policy,
    )


def _grant_row(grant: FileGrant) -> tuple[str, str, float | None, bool]:
    ends = grant.expires_at.timestamp() if grant.expires_at is not None else None
    return grant.api_group, grant.origin, ends, grant.revoked_at is not None
