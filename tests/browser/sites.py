"""Sites with names of their own, over TLS: servers on this machine, to which one browser is told to resolve them."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Playwright

from tests.browser.conftest import ARGUMENTS
from tests.probes import find_chromium
from tests.servers import HOST, ROOT, wait_for


def make_certificate(folder: Path) -> list[str]:
    """Write a key and a certificate, for a day, that nobody but the browser below accepts; return their paths."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1", "-subj", "/CN=example.com"]
    key, certificate = f"{folder / 'key.pem'}", f"{folder / 'certificate.pem'}"
    subprocess.run(
        [*command, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60
    )  # fmt: skip
    return ["--keyfile", key, "--certfile", certificate]


@contextmanager
def serving_site(command: list[str], port: int, log: Path, environ: Mapping[str, str]) -> Iterator[None]:
    """Run ``python COMMAND``, which listens on ``port``, until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=dict(environ), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(port, process, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@contextmanager
def launched(playwright: Playwright, ports: Mapping[str, int], profile: Path) -> Iterator[BrowserContext]:
    """Start a Chromium for which each of these hosts is a port of this machine, and that takes other sites' cookies."""
    # What people choose in its settings; private windows, such as Playwright's own profiles, have no such choice.
    preferences = profile / "Default/Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(json.dumps({"profile": {"cookie_controls_mode": 0}}))
    rules = ",".join(f"MAP {host} {HOST}:{port}" for host, port in ports.items())
    browser = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=find_chromium(),
        args=[*ARGUMENTS, f"--host-resolver-rules={rules}"],
        ignore_https_errors=True,
    )
    browser.set_default_timeout(15_000)
    try:
        yield browser
    finally:
        browser.close()
