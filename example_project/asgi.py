"""ASGI entry point: `uvicorn example_project.asgi:application`, or daphne. It serves the WebSockets, too."""

import os
from typing import Any

from django.core.asgi import get_asgi_application

from django_cors_guard.asgi import flush_on_shutdown
from django_cors_guard.channels import TrustedOriginValidator
from example_project.sockets import sockets

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

pages = get_asgi_application()


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Do what Channels' `ProtocolTypeRouter` does."""
    await (sockets if scope["type"] == "websocket" else pages)(scope, receive, send)


# uvicorn ends without running exit handlers; this writes what the audit log still has in memory.
application = flush_on_shutdown(TrustedOriginValidator(site))
