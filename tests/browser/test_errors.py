"""A CaptionLensError shows its sentence wherever Streamlit handles exceptions itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import locked
from components.encoder import load
from tests.browser.helpers import SAMPLES, Server, running, settled

GENERAL = "This app has encountered an error."


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An app of its own: see `failing_session.py`."""
    log = tmp_path_factory.mktemp("failing") / "log"
    with running(log, app="tests/browser/failing_app.py") as started:
        yield started


def sentence(place: Page | Locator, text: str) -> None:
    """Wait for an alert that shows ``text`` as it is, not as Markdown or HTML."""
    alert = place.get_by_test_id("stAlert")
    expect(alert).to_contain_text(text)
    expect(alert.locator("em, b")).to_have_count(0)
    expect(place.get_by_text(GENERAL)).to_have_count(0)


@pytest.mark.parametrize("where", ["script", "callback", "fragment", "fragment's callback"])
def test_an_error_shows_its_sentence(failing: Server, page: Page, where: str) -> None:
    page.goto(failing.url)
    settled(page)
    page.get_by_role("button", name=f"Fail in the {where}", exact=True).click()
    sentence(page, f"The {where} failed: *try* <b>again</b>.")


def test_an_error_in_a_dialog_is_shown_in_the_dialog(failing: Server, page: Page) -> None:
    page.goto(failing.url)
    settled(page)
    page.get_by_role("button", name="Open the dialog").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Fail in the dialog").click()
    sentence(dialog, "The dialog failed: *try* <b>again</b>.")


def test_an_unexpected_error_shows_the_general_message(failing: Server, page: Page) -> None:
    page.goto(failing.url)
    settled(page)
    page.get_by_role("button", name="Fail unexpectedly").click()
    expect(page.get_by_text(GENERAL)).to_be_visible()
    expect(page.get_by_text("secret")).to_have_count(0)


def test_a_busy_collection_is_not_removed_and_says_why(page: Page, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "coffee.jpg", tmp_path)
    build(BuildJob("busy", SourceSpec("folder", str(tmp_path))), load("pocket"))
    with running(tmp_path / "log") as server, locked(folder_of("busy")):
        page.goto(f"{server.url}/search?search_in=busy")
        expect(page.get_by_text("1 image in random order")).to_be_visible()
        settled(page)
        page.get_by_role("button", name="Collections", exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Remove", exact=True).click()
        dialog.get_by_role("button", name="Remove busy now").click()
        sentence(dialog, "busy is being written by another process or window.")
    assert (folder_of("busy") / "manifest.json").exists()
    shutil.rmtree(folder_of("busy"))


def test_a_wrong_setting_is_named_on_the_page(page: Page, tmp_path: Path) -> None:
    with running(tmp_path / "log", CAPTIONLENS_MAX_CAPTIONS="many") as server:
        page.goto(server.url)
        sentence(page, "CAPTIONLENS_MAX_CAPTIONS must be a whole number above zero, not 'many'.")
