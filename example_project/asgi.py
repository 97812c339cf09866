"""ASGI entry point: `uvicorn example_project.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

from django_cors_guard.asgi import flush_on_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")

# uvicorn ends without running exit handlers; this writes what the audit log still has in memory.
application = flush_on_shutdown(get_asgi_application())
