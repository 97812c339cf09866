"""What the tests of trusting say again and again: fill in, look, and say yes."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from django_cors_guard.models import ApiGroup, Environment, TrustedOrigin
from tests.admin.pages import Response, post, url

ORIGIN = "https://app.example.com"
OTHER = "https://other.example.org"
ADD = "trustedorigin_add"
CHANGE_PAGE = "trustedorigin_change"


def filled_in(*origins: str, **values: Any) -> dict[str, Any]:
    return {
        "origins": "\n".join(origins or [ORIGIN]),
        "environments": [Environment.objects.get(slug="production").pk],
        "api_groups": [ApiGroup.objects.get(slug="public").pk],
        "ends": "never",
        "until": "",
        "front_end": "",
        "note": "",
        **values,
    }


def until(days: float) -> dict[str, str]:
    return {"ends": "until", "until": (timezone.localtime() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M")}


def look(client: Client, *origins: str, address: str = "", **values: Any) -> Response:
    """Ask for the preview."""
    return post(client, address or url(ADD), filled_in(*origins, **values) | {"_preview": "1"})


def agree(client: Client, page: Response, *origins: str, address: str = "", **values: Any) -> Response:
    """Say yes to what ``page`` shows, with the form as given."""
    return post(client, address or url(ADD), filled_in(*origins, **values) | {"seal": seal(page), "_trust": "1"})


def trust(client: Client, *origins: str, address: str = "", **values: Any) -> Response:
    """Look, and say yes."""
    return agree(client, look(client, *origins, address=address, **values), *origins, address=address, **values)


def seal(page: Response) -> str:
    found: str = page.context["look"].seal
    return found


def row(page: Response, number: int = 1) -> Any:
    """Return what the preview says of one line."""
    (found,) = [line for line in page.context["look"].rows if line.number == number]
    return found


def sayings(found: Any) -> list[str]:
    return [saying.text for saying in found]


def difference(page: Response) -> str:
    found: str = page.context["look"].difference.reason
    return found


def count() -> int:
    found: int = TrustedOrigin.objects.count()
    return found
