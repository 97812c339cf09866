"""Saving what has consequences: the first answer asks, the second post confirms what it asked."""

from collections.abc import Mapping
from typing import Any

from django.test import Client

from tests.admin.pages import Response, post, text


def asked(response: Response) -> list[str]:
    """Return the codes of what the page asks to confirm; none: it asks nothing."""
    confirmation = response.context.get("confirmation") if response.context is not None else None
    return [line.code for line in confirmation["lines"]] if confirmation else []


def question(response: Response) -> str:
    """Return what a person reads in the box that asks."""
    page = text(response)
    _, _, rest = page.partition("Nothing was saved yet. This is what it means:")
    return rest.partition("I understand what this changes")[0]


def token(response: Response) -> str:
    return str(response.context["confirmation"]["token"])


def confirm(client: Client, address: str, data: Mapping[str, Any], **extra: Any) -> Response:
    """Post, read the question, and post again with the box ticked."""
    page = post(client, address, data, **extra)
    assert asked(page), "nothing was asked"
    return post(client, address, {**data, "understood": token(page)}, **extra)
