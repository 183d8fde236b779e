"""A real server and a real browser for every test here."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from components.encoder.runtimes.prepared import prepare
from components.models import locate, resolve
from components.settings import ROOT
from tests.browser.helpers import Screenshot, Server, failures, launch, running

expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong

SCREENSHOTS = ROOT / ".test-results" / "screenshots"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, without a network, for all tests that do not need their own; no tracebacks."""
    log = tmp_path_factory.mktemp("server") / "log"
    with running(log, HF_ENDPOINT="http://127.0.0.1:9") as started:
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
    browser = launch(playwright)
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
def screenshot() -> Screenshot:
    """Save what the page shows, whole, where CI can show it."""

    def save(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        width = page.viewport_size["width"] if page.viewport_size else 1440
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(height + 60, 4000)})
        page.wait_for_timeout(250)  # charts are drawn again at the new height
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return save
