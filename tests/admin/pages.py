"""What the tests of the admin say again and again."""

from collections.abc import Mapping
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from django_cors_guard.models import PolicyState

#: What Django's test client returns; its type is private to the stubs.
Response = Any

#: What browsers send along when one of the site's own pages posts a form.
FROM_OWN_PAGE = {"HTTP_ORIGIN": "http://testserver", "HTTP_SEC_FETCH_SITE": "same-origin"}


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:cors_guard_{page}", args=args)


def said(response: Response) -> list[str]:
    """Return the messages that the response brought about."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def text(response: Response) -> str:
    """Return what a person reads on a page."""
    return " ".join(strip_tags(response.content.decode().replace("<", " <")).split())


def revision() -> int:
    return PolicyState.read("default").revision


def errors(response: Response) -> dict[str, list[str]]:
    """Return the errors of a page's form by field, as text."""
    form = response.context["adminform"].form if "adminform" in response.context else response.context["form"]
    return {field: [strip_tags(str(problem)) for problem in problems] for field, problems in form.errors.items()}


def post(client: Client, address: str, data: Mapping[str, Any], **extra: Any) -> Response:
    return client.post(address, dict(data), **{**FROM_OWN_PAGE, **extra})
