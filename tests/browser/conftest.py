"""A real server and a real browser for every test here."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from components.encoder.runtimes.prepared import prepare
from components.models import locate, resolve
from components.settings import ROOT
from tests.browser import chromium

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong

SCREENSHOTS = ROOT / ".test-results" / "screenshots"
# A closed network makes Chromium's own calls home fail one by one: it is told to make none.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    log: Path


@contextmanager
def running(log: Path, **environment: str) -> Iterator[Server]:
    """Start the app on a free port as a person does; stop it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdout=sink, stderr=sink
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield Server(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, "the server ended"
            time.sleep(0.1)
    raise AssertionError("the server did not start in 30 seconds")


# Streamlit's socket, when a page is closed at the moment that the server writes to it and reads on.
_LEFT = re.compile(
    r"^Traceback .*\n(?:[ \t].*\n)*starlette\.websockets\.WebSocketDisconnected: ", re.MULTILINE
)


def failures(log: Path) -> str:
    """Return what the server told, without the tracebacks that a closed page leaves."""
    return _LEFT.sub("", log.read_text(encoding="utf-8", errors="replace"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not need a fresh one; its log shows no traceback."""
    with running(tmp_path_factory.mktemp("server") / "log") as started:
        yield started
        assert "Traceback" not in failures(started.log)


@pytest.fixture(scope="session", autouse=True)
def pocket_is_prepared() -> None:
    """Convert Pocket once, as `make app` does: it takes long on a busy machine."""
    prepare(locate(resolve("pocket")))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    path = chromium.find()
    assert path, "Chromium is missing: run `make chromium`"
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(60_000)
    context.grant_permissions(["clipboard-read", "clipboard-write", "camera"])
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Save what the page shows, whole, where CI can show it."""

    def save(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else 1440
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(height + 60, 4000)})
        page.wait_for_timeout(500)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return save
