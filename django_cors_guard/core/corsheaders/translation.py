"""A project's settings for django-cors-headers as a policy document, with an account of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django_cors_guard.core.corsheaders.csrf import read_csrf
from django_cors_guard.core.corsheaders.groups import Rules, read_rules
from django_cors_guard.core.corsheaders.lines import Account, Translation
from django_cors_guard.core.corsheaders.origins import Admission, note_needless, read_grants
from django_cors_guard.core.corsheaders.routes import read_routes
from django_cors_guard.core.corsheaders.values import Values
from django_cors_guard.core.policy_file import FileEnvironment, FileGrant, FileGroup, FileRoute, PolicyFile


def translate(
    settings: Mapping[str, object],
    *,
    environment: str,
    group: str,
    receivers: Sequence[str] = (),
    paths: Sequence[str] = (),
    switches: Collection[str] = (),
) -> Translation:
    """Return the policy that ``settings`` (name to value) make: one environment that only watches, one API group.

    ``receivers`` name what listens to ``check_request_enabled``: code, which no document can hold. ``paths``, if there
    are any, take the place of CORS_URLS_REGEX. ``switches`` name the environment's dangerous switches that somebody
    asks for (``allow_insecure_http``, ``allow_insecure_credentials``); without them what needs them is refused.
    """
    account = Account()
    given = Values(settings, account)
    rules = read_rules(given)
    admission = Admission(account, rules.credentials, frozenset(switches))
    if rules.any_origin:
        note_needless(given)
    else:
        read_grants(given, admission)
    routes = read_routes(given, paths)
    csrf = read_csrf(given, admission.origins, credentials=rules.credentials)
    for name in receivers:
        account.refuse("check_request_enabled", name, "receiver")
    given.note_others()
    for switch, origin in admission.switches.items():
        account.note("", switch, "switch", origin)
    document = PolicyFile(
        environments=(
            FileEnvironment(slug=environment, mode="monitor", **dict.fromkeys(sorted(admission.switches), True)),  # type: ignore[arg-type]  # the names of switches are fields
        ),
        api_groups=(_make_group(group, rules, routes, csrf=csrf),),
        trusted_origins=tuple(
            FileGrant(environment=environment, api_group=group, origin=origin) for origin in sorted(admission.origins)
        ),
    )
    return Translation(document, account.lines)


def _make_group(slug: str, rules: Rules, routes: tuple[str, ...], *, csrf: bool) -> FileGroup:
    return FileGroup(
        slug=slug,
        any_origin=rules.any_origin,
        allow_credentials=rules.credentials,
        trusted_for_csrf=csrf,
        allow_methods=rules.methods,
        allow_headers=rules.headers,
        expose_headers=rules.exposed,
        max_age=rules.max_age,
        routes=tuple(FileRoute(path_prefix=path) for path in sorted(routes)),
    )
