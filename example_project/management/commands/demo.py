"""`manage.py demo`: the API with its admin, and two front ends on two other origins, all on this machine alone."""

import errno
import signal
import sys
import threading
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from django_cors_guard import conf
from example_project import demo_data
from example_project.front_ends import FrontEnd
from example_project.wsgi import application

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
HTTP_PORT = 80

TRUSTED_STORY = "The company's own front end."
STRANGER_STORY = "It could be anything that a user has open in another tab."


class ApiRequestHandler(WSGIRequestHandler):
    """Log what reaches the two APIs, preflights too, and leave out pages and their files."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Log one request."""
        # A line that is no HTTP has no path.
        if getattr(self, "path", "").startswith("/api/"):
            super().log_message(format, *args)


class QuietRequestHandler(WSGIRequestHandler):
    """Keep the front ends' requests out of the log, so that the API's stand out."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Site:
    """One of the three servers: bound to its port, not serving yet."""

    server: ThreadedWSGIServer

    @property
    def origin(self) -> str:
        """The origin as a browser writes it."""
        return _origin_of(self.server.server_port)


class Command(BaseCommand):
    """Set up the demo and serve it until Ctrl-C."""

    help = "Load a small data set and serve the API, its admin and two front ends on other origins."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the three ports."""
        parser.add_argument("--port", type=_parse_port, default=8000, help="of the API and its admin (default: 8000)")
        parser.add_argument(
            "--trusted-port", type=_parse_port, default=8001, help="of the trusted front end (default: 8001)"
        )
        parser.add_argument("--stranger-port", type=_parse_port, default=8002, help="of the other one (default: 8002)")
        parser.add_argument("--no-serve", action="store_true", help="set up the database, then stop")

    def handle(self, *, port: int, trusted_port: int, stranger_port: int, no_serve: bool, **options: Any) -> None:
        """Bind first: nothing is written or printed before it is sure that all three sites can start."""
        _check_environment()
        if no_serve:
            _set_up(_origin_of(trusted_port))
            return
        with ExitStack() as stack:
            api = stack.enter_context(_bind("--port", port, ApiRequestHandler))
            trusted = stack.enter_context(_bind("--trusted-port", trusted_port, QuietRequestHandler))
            stranger = stack.enter_context(_bind("--stranger-port", stranger_port, QuietRequestHandler))
            _set_up(trusted.origin)
            api.server.set_app(StaticFilesHandler(application))
            trusted.server.set_app(FrontEnd("Customer portal", TRUSTED_STORY, trusted.origin, api.origin))
            stranger.server.set_app(FrontEnd("A stranger", STRANGER_STORY, stranger.origin, api.origin))
            for site in (api, trusted, stranger):
                stack.enter_context(_serving(site))
            self._welcome(api.origin, trusted.origin, stranger.origin)
            _wait_for_ctrl_c()
        self.stdout.write("\nStopped.")

    def _welcome(self, api: str, trusted: str, stranger: str) -> None:
        title = self.style.MIGRATE_HEADING
        login = f"{demo_data.ADMIN_NAME} / {demo_data.ADMIN_PASSWORD}"
        lines = [
            "",
            title("The demo runs, on this machine alone:"),
            "",
            f"  {api}/          the API and its admin ({api}/admin/, log in as {login})",
            f"  {trusted}/          a front end: {demo_data.describe_trust(trusted)}",
            f"  {stranger}/          another front end: {demo_data.describe_trust(stranger)}",
            "",
            title("What to try next:"),
            "",
            f"  1. Open {trusted}/ : it reads the public API. Log in at {api}/login ({login}),",
            "     ask again, and it reads the invoices too.",
            f"  2. Open {stranger}/ : the browser keeps both answers from it.",
            f"  3. See who was refused, and why: {api}/admin/cors_guard/rejectedorigin/",
            "     Choose a card of the stranger, then “Trust this origin…”, and ask again on its page.",
            f"  4. Revoke it, or the trusted one, everywhere: {api}/admin/cors_guard/trustedorigin/",
            "     With “Keep asking every second” ticked, its page shows the refusal a moment later.",
            "  5. Ask from a shell why, and what the browser would be told:",
            f"     {sys.executable} manage.py cors_guard check {stranger} /api/billing/invoices",
            "",
            "Below: what reaches the two APIs. Ctrl-C stops all of it.",
            "",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _check_environment() -> None:
    environment = conf.current().environment
    if environment != demo_data.LOCAL:
        raise CommandError(
            f"The demo's front ends are on loopback addresses, which only its environment “{demo_data.LOCAL}” lets in, "
            f"and this process runs in “{environment}”. Unset CORS_GUARD_ENVIRONMENT for the demo."
        )


def _set_up(trusted_origin: str) -> None:
    call_command("migrate", interactive=False, verbosity=0)
    demo_data.load(trusted_origin)
    demo_data.load_refusals()


def _origin_of(port: int) -> str:
    return f"http://{HOST}" if port == HTTP_PORT else f"http://{HOST}:{port}"


def _parse_port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) <= HIGHEST_PORT:
        return int(text)
    raise ArgumentTypeError(f"{text!r} is no port: give a number from 1 to {HIGHEST_PORT}, or 0 for any free one.")


@contextmanager
def _bind(flag: str, port: int, handler: type[WSGIRequestHandler]) -> Iterator[Site]:
    try:
        server = ThreadedWSGIServer((HOST, port), handler)
    except OSError as error:
        raise CommandError(_explain(flag, port, error)) from error
    # A browser keeps connections open: they must not hold up the end.
    server.daemon_threads = True
    with server:
        yield Site(server)


def _explain(flag: str, port: int, error: OSError) -> str:
    choose = f"Choose another with {flag}, for example: manage.py demo {flag} {port % 50000 + 1000}"
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {HOST} is taken. {choose}"
    return f"Port {port} on {HOST} cannot be used ({error.strerror}). {choose}"


@contextmanager
def _serving(site: Site) -> Iterator[None]:
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        site.server.shutdown()
        thread.join()


def _wait_for_ctrl_c() -> None:
    """Return at Ctrl-C, or at the signal that process managers stop a program with."""
    stop = threading.Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
