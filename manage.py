#!/usr/bin/env python
"""Django's command line for the example project (`make demo` runs `manage.py demo`)."""

import os
import signal
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    # Without it SIGTERM ends `runserver --noreload` at once, and what the audit log has in memory is lost.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
