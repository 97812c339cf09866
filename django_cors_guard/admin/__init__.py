"""The admin: where operators trust and revoke origins, and see who was refused. Importing it registers the pages."""

from django.contrib import admin

from django_cors_guard.admin.differences import ParityDifferenceAdmin
from django_cors_guard.admin.grants.trusted_origin import TrustedOriginAdmin
from django_cors_guard.admin.grants.usage import OriginUsageAdmin
from django_cors_guard.admin.history.policy_change import PolicyChangeAdmin
from django_cors_guard.admin.issuers.origin_issuer import OriginIssuerAdmin
from django_cors_guard.admin.policy.api_group import ApiGroupAdmin
from django_cors_guard.admin.policy.environment import EnvironmentAdmin
from django_cors_guard.admin.policy.front_end import FrontEndAdmin
from django_cors_guard.admin.rejections.rejected_origin import RejectedOriginAdmin
from django_cors_guard.admin.rejections.rejection import RejectionAdmin
from django_cors_guard.models import (
    ApiGroup,
    Environment,
    FrontEnd,
    OriginIssuer,
    OriginUsage,
    ParityDifference,
    PolicyChange,
    RejectedOrigin,
    Rejection,
    TrustedOrigin,
)

admin.site.register(ApiGroup, ApiGroupAdmin)
admin.site.register(Environment, EnvironmentAdmin)
admin.site.register(FrontEnd, FrontEndAdmin)
admin.site.register(OriginIssuer, OriginIssuerAdmin)
admin.site.register(OriginUsage, OriginUsageAdmin)
admin.site.register(ParityDifference, ParityDifferenceAdmin)
admin.site.register(PolicyChange, PolicyChangeAdmin)
admin.site.register(RejectedOrigin, RejectedOriginAdmin)
admin.site.register(Rejection, RejectionAdmin)
admin.site.register(TrustedOrigin, TrustedOriginAdmin)
