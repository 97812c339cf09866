"""What the schema says of parameters, and examples of what may be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

#: What each parameter means, with an example.
PARAMETERS: Final[Mapping[str, tuple[Any, Any]]] = {
    "id": (_("The id."), 1),
    "environment": (_("The slug of an environment."), "production"),
    "api_group": (_("The slug of an API group."), "public"),
    "origin": (
        _("An origin, exactly; however it is typed, it is looked for as browsers send it."),
        "https://app.example.com",
    ),
    "origin_prefix": (_("What origins begin with, letter by letter."), "https://app."),
    "reason": (_("The code of a reason; where trust is withdrawn, why, in words."), "unknown_origin"),
    "kind": (_("What sort of request it was."), "preflight"),
    "mode": (_("The mode that was in force."), "enforce"),
    "method": (_("The method, exactly."), "GET"),
    "path_prefix": (_("What paths begin with, letter by letter: /api also finds /apix."), "/api/public/"),
    "since": (
        _(
            "From then on, that moment included: ISO 8601 with a zone. In the audit log, the last seven days are meant "
            "where neither “since” nor “until” is given."
        ),
        "2026-05-03T12:00:00Z",
    ),
    "until": (_("Up to then, that moment excluded: ISO 8601 with a zone."), "2026-05-04T12:00:00Z"),
    "cursor": (_("Where a page begins: follow “next” and “previous” instead of writing it."), "bzEwMDA"),
    "page_size": (_("How many rows a page has at most, up to 1000."), 100),
    "after": (
        _(
            "For exporters: the rows behind this id, oldest first, each exactly once. Begin with 0; go on after the "
            "“checkpoint” of the answer, however much later. No window applies but one that is given. A row comes once "
            "nothing can be written before it any more, some seconds after it was written."
        ),
        0,
    ),
    "limit": (_("How many of each there are at most, up to 100."), 10),
    "interval": (_("How fine the time series is; without it, as the length of the window suggests."), "hour"),
    "as": (_("How the rows are written; NDJSON without it."), "csv"),
    "status": (_("What it is worth now."), "new"),
    "front_end": (_("The slug of a front end."), "shop"),
    "as_of": (
        _("As of the end of that day (of UTC), or of that moment: ISO 8601 with a zone. Without it, as of now."),
        "2026-05-03",
    ),
    "due": (_("Only grants that are due for review (true)."), "true"),
    "older_than": (_("What nobody has looked at for so many days is due; 90 without it."), 90),
    "unused": (_("Grants that still stand and were not used in the window (true), or that were used (false)."), "true"),
    "revision": (_("The revision that it made; of the status, the one whose way to every process is asked for."), 42),
    "source": (_("Where it came from."), "admin"),
    "action": (_("What was done."), "revoked"),
    "actor": (_("The name of who did it, as it was then."), "ana"),
    "target": (_("What it was done to, exactly."), "trustedorigin:production/public/https://app.example.com"),
    "revoke": (
        _(
            "For accounts of CI: “true” closes the grants for good, so that only an operator can reinstate them; "
            "without it they end, and may be issued again."
        ),
        "false",
    ),
    "target_prefix": (_("What targets begin with."), "trustedorigin:production/"),
}

#: A body that may be sent, by operation.
EXAMPLES: Final[Mapping[str, Any]] = {
    "cors_guard_trusted_origin_create": {
        "origin": "https://app.example.com",
        "environment": "production",
        "api_group": "public",
        "note": "The shop",
        "expires_at": "2027-01-01T00:00:00Z",
    },
    "cors_guard_trusted_origin_revoke": {"reason": "Its domain expired."},
    "cors_guard_trusted_origin_review": {"reason": "Still in use; signed off by its owner."},
    "cors_guard_trusted_origin_reinstate": {"reason": "The domain is ours again."},
    "cors_guard_trusted_origin_revoke_origin": {
        "origin": "https://app.example.com",
        "reason": "It was taken over.",
        "environments": ["production"],
    },
    "cors_guard_by_origin_issue": {
        "origin": "https://preview-42.example.com",
        "environment": "production",
        "api_groups": ["public"],
        "ttl": "14d",
        "note": "Pull request 42",
    },
    "cors_guard_rejected_origin_trust": {"note": "The shop"},
    "cors_guard_rejected_origin_ignore": {},
    "cors_guard_rejected_origin_reopen": {},
    "cors_guard_check_check": {
        "origin": "https://app.example.com",
        "path": "/api/public/hello",
        "method": "PUT",
        "headers": ["content-type"],
    },
}
