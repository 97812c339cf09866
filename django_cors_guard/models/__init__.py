"""The data model: trusted origins as data, what they may call, and what was refused."""

from django_cors_guard.models.api_group import ApiGroup, ApiRoute
from django_cors_guard.models.environment import Environment, GroupMode
from django_cors_guard.models.front_end import FrontEnd
from django_cors_guard.models.issuer import OriginIssuer
from django_cors_guard.models.parity import ParityDifference
from django_cors_guard.models.process import GuardProcess
from django_cors_guard.models.rejection import RejectedOrigin, Rejection
from django_cors_guard.models.revision import PolicyChange, PolicyState
from django_cors_guard.models.tally import RejectionTally
from django_cors_guard.models.trusted_origin import TrustedOrigin
from django_cors_guard.models.usage import OriginUsage
from django_cors_guard.models.write import PolicyWrite, policy_write, writing

__all__ = [
    "ApiGroup",
    "ApiRoute",
    "Environment",
    "FrontEnd",
    "GroupMode",
    "GuardProcess",
    "OriginIssuer",
    "OriginUsage",
    "ParityDifference",
    "PolicyChange",
    "PolicyState",
    "PolicyWrite",
    "RejectedOrigin",
    "Rejection",
    "RejectionTally",
    "TrustedOrigin",
    "policy_write",
    "writing",
]
