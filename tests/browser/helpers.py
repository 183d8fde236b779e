"""What the browser tests and the page benches share: servers, Chromium's arguments, waits."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright
from playwright.sync_api import TimeoutError as TooSlow

from components.bench import server
from components.settings import ROOT
from tests.browser import chromium

Screenshot = Callable[[Page, str], None]  # saves what a page shows under a name
SAMPLES = ROOT / "sample_images"
_UPLOADED = re.compile("/_stcore/upload_file/")
# A closed network makes Chromium's own calls home fail one by one: it is told to make none.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL on the processor: the map is drawn in it
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
def running(log: Path, app: str = "app.py", **environment: str) -> Iterator[Server]:
    """Start an app on a free port as `make app` does; stop it afterwards."""
    with server.running(log, app, 0, **environment) as (port, _):
        yield Server(f"http://127.0.0.1:{port}", log)


def launch(playwright: Playwright) -> Browser:
    """Start Chromium. Raises AssertionError where it is missing."""
    path = chromium.find()
    assert path, "Chromium is missing: run `make chromium`"
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


@contextmanager
def visited() -> Iterator[tuple[Server, Browser]]:
    """Start an app with no collections, and a browser; stop both afterwards."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["CAPTIONLENS_DATA"] = place
        with running(Path(place) / "log") as started, sync_playwright() as playwright:
            browser = launch(playwright)
            yield started, browser
            browser.close()


# Streamlit's socket, when a page is closed at the moment that the server writes to it and reads on.
_LEFT = re.compile(
    r"^Traceback .*\n(?:[ \t].*\n)*starlette\.websockets\.WebSocketDisconnected: ", re.MULTILINE
)


def failures(log: Path) -> str:
    """Return the server's log without the tracebacks that a closed page leaves."""
    return _LEFT.sub("", log.read_text(encoding="utf-8", errors="replace"))


def settled(page: Page) -> None:
    """Wait until the script has run to its end."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def upload(page: Page, files: Path | list[Path], chooser: Locator | None = None) -> None:
    """Choose files, in the page's first field for files by default, and wait for the upload.

    Streamlit drops its answer to the browser's request for upload addresses where a run of the
    script begins at that moment (`ForwardMsgQueue.clear`): the files are then chosen once more.
    """
    settled(page)
    chooser = chooser or page.locator("input[type=file]:not([webkitdirectory])").first
    try:
        with page.expect_response(_UPLOADED, timeout=20_000):
            chooser.set_input_files(files)
    except TooSlow:
        with page.expect_response(_UPLOADED):
            chooser.set_input_files(files)


def tiles(page: Page, key: str = "match_grid", row: int | None = None) -> Locator:
    """Return the buttons of a photo grid's images, or of one of its lists.

    What an image shows is in its button's label.
    """
    if row is None:
        return page.locator(f".st-key-{key} button.open")
    return page.locator(f".st-key-{key} ul.row").nth(row).locator("button.open")


def tile(page: Page | Locator, name: str) -> Locator:
    """Return the button of an image by its file name, in whichever list and photo grid."""
    return page.locator(f'button.open[aria-label*="{name}, "], button.open[aria-label="{name}"]')


def first_tile(page: Page, name: str = "", key: str = "match_grid") -> None:
    """Wait until the first image of a photo grid is ranked, and is the one of that name."""
    label = re.compile(rf"^Rank 1 of [\d,]+, {re.escape(name)}")
    expect(tiles(page, key).first).to_have_attribute("aria-label", label)
    expect(tiles(page, key).first).to_be_visible()


def loaded(page: Page, selector: str = "button.open img") -> None:
    """Wait until every picture that a selector finds, in our own components too, is loaded."""
    images = page.locator(selector)
    expect(images.first).to_be_attached()
    images.evaluate_all(
        """images => Promise.all(images.map(image => {
            image.loading = "eager";
            return image.decode();
        }))"""
    )
