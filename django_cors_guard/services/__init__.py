"""Trust, revoke, reinstate: the only writers of grants. Each is one transaction and one revision, or none at all.

Environments, API groups and front ends are given as objects or slugs. ``actor=None`` is the system; with an actor,
protected environments ask for ``change_protected_environment``.
"""

from django_cors_guard.explanation import Explanation, explain
from django_cors_guard.services.access.applying import AccessMoved, AccessReceipt, apply_access
from django_cors_guard.services.access.cells import Cell, state_of
from django_cors_guard.services.access.copying import Copy, Source, copy_environment, copy_front_end, read_source
from django_cors_guard.services.access.matrix import Matrix, Row, read_matrix
from django_cors_guard.services.access.planning import MAX_CHANGES, plan_access
from django_cors_guard.services.access.plans import AccessPlan, Change, Kind, Step
from django_cors_guard.services.cards import (
    Settled,
    check_card_origin,
    ignore,
    ignore_cards,
    reopen,
    reopen_cards,
    trust_card,
)
from django_cors_guard.services.history.record import REVERTED
from django_cors_guard.services.history.reversal import Deed, Reversal
from django_cors_guard.services.history.reverting import preview_revert, revert
from django_cors_guard.services.issuing.issuing import ENDED, Issued, Outcome, Touched, issue, withdraw
from django_cors_guard.services.issuing.rights import find_issuers, is_covered
from django_cors_guard.services.places import (
    PROTECTED_PERMISSION,
    check_protected,
    check_shared,
    find_api_group,
    find_environment,
    find_front_end,
    retry_deadlocks,
)
from django_cors_guard.services.previews import Preview, Wish, preview_trust, preview_wishes
from django_cors_guard.services.propagation import (
    ProcessReport,
    ProcessStanding,
    Propagation,
    describe_processes,
    wait_for,
)
from django_cors_guard.services.reviewing.due import OLDER_THAN, DueReason
from django_cors_guard.services.reviewing.front_ends import Overdue, list_overdue
from django_cors_guard.services.reviewing.grants import GrantReview, Unsure
from django_cors_guard.services.reviewing.listing import GrantList, list_grants
from django_cors_guard.services.reviewing.marking import (
    FrontEndReceipt,
    ReviewReceipt,
    review,
    review_front_end,
)
from django_cors_guard.services.revoking.receipts import Place, Receipt
from django_cors_guard.services.revoking.revocation import (
    list_reinstating_problems,
    preview_revocation,
    reinstate,
    revoke,
    revoke_many,
    revoke_origin,
)
from django_cors_guard.services.transfer import ImportPlan, ImportResult, PlanMoved, apply_import, plan_import
from django_cors_guard.services.trusting import RENEWED, TRUSTED, amend, check_expiry, trust, trust_many, trust_wishes

__all__ = [
    "ENDED",
    "MAX_CHANGES",
    "OLDER_THAN",
    "PROTECTED_PERMISSION",
    "RENEWED",
    "REVERTED",
    "TRUSTED",
    "AccessMoved",
    "AccessPlan",
    "AccessReceipt",
    "Cell",
    "Change",
    "Copy",
    "Deed",
    "DueReason",
    "Explanation",
    "FrontEndReceipt",
    "GrantList",
    "GrantReview",
    "ImportPlan",
    "ImportResult",
    "Issued",
    "Kind",
    "Matrix",
    "Outcome",
    "Overdue",
    "Place",
    "PlanMoved",
    "Preview",
    "ProcessReport",
    "ProcessStanding",
    "Propagation",
    "Receipt",
    "Reversal",
    "ReviewReceipt",
    "Row",
    "Settled",
    "Source",
    "Step",
    "Touched",
    "Unsure",
    "Wish",
    "amend",
    "apply_access",
    "apply_import",
    "check_card_origin",
    "check_expiry",
    "check_protected",
    "check_shared",
    "copy_environment",
    "copy_front_end",
    "describe_processes",
    "explain",
    "find_api_group",
    "find_environment",
    "find_front_end",
    "find_issuers",
    "ignore",
    "ignore_cards",
    "is_covered",
    "issue",
    "list_grants",
    "list_overdue",
    "list_reinstating_problems",
    "plan_access",
    "plan_import",
    "preview_revert",
    "preview_revocation",
    "preview_trust",
    "preview_wishes",
    "read_matrix",
    "read_source",
    "reinstate",
    "reopen",
    "reopen_cards",
    "retry_deadlocks",
    "revert",
    "review",
    "review_front_end",
    "revoke",
    "revoke_many",
    "revoke_origin",
    "state_of",
    "trust",
    "trust_card",
    "trust_many",
    "trust_wishes",
    "wait_for",
    "withdraw",
]
