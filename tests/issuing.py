"""An issuer of previews as the tests want it: Netlify's, in production, for the group that the factories make."""

from typing import Any

from django_cors_guard.models import OriginIssuer
from tests.factories import ApiGroupFactory, OriginIssuerFactory

PREVIEW = "https://deploy-preview-42--mysite.netlify.app"


def make_issuer(**fields: Any) -> OriginIssuer:
    """Return a new one; ``fields`` are those of the factory."""
    groups = fields.pop("api_groups", None)
    usual = {"slug": "previews", "host_prefix": "deploy-preview-", "host_suffix": "--mysite.netlify.app"}
    made: OriginIssuer = OriginIssuerFactory.create(
        **{**usual, **fields}, api_groups=groups or [ApiGroupFactory.create()]
    )
    return made


def preview(number: int) -> str:
    """Return the origin of the preview of a pull request."""
    return f"https://deploy-preview-{number}--mysite.netlify.app"
