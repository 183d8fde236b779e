"""Train, from a table and its images to a model that ranks, in a real browser."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from components.settings import Settings
from tests.browser.helpers import Server, settled, upload
from tests.pairs import write_pairs

Screenshot = Callable[[Page, str], None]
NAME = "browser images"


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Path]:
    yield write_pairs(tmp_path)
    shutil.rmtree(Settings().model_cache / "trained" / NAME, ignore_errors=True)


def test_the_first_screen_shows_pictures_and_one_click_fills_in_a_run(
    page: Page, server: Server, screenshot: Screenshot
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{server.url}/train")
    picture = page.get_by_role("img", name="a facial photo of a tabby cat")
    expect(picture).to_be_in_viewport()
    page.get_by_role("button", name="Try it with the sample pictures").click()
    expect(page.get_by_role("button", name="Estimate time and disk space")).to_be_visible()
    settled(page)
    assert "train_from=Samples" in page.url
    screenshot(page, "train-samples")


def test_pairs_are_trained_on_and_the_model_ranks(
    page: Page, server: Server, pairs: Path, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/train?train_method=Projections+only")
    inputs = page.get_by_test_id("stFileUploaderDropzoneInput")
    upload(page, pairs / "captions.csv", inputs.nth(0))
    upload(page, sorted(pairs.glob("*.jpg")), inputs.nth(1))
    expect(page.get_by_text("28 images to train on, 4 images held out")).to_be_visible()
    page.get_by_role("textbox", name="Name").fill(NAME)
    page.get_by_role("textbox", name="Name").press("Enter")
    page.get_by_role("button", name="Estimate time and disk space").click()
    measured = page.get_by_text(re.compile("as measured on this computer"))
    expect(measured).to_be_visible(timeout=240_000)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(f"Training {NAME}")).to_be_visible()
    screenshot(page, "train-running")
    expect(page.get_by_text(re.compile(f"{NAME} is trained"))).to_be_visible(timeout=240_000)
    expect(page.get_by_text("caption to image")).to_be_visible()
    settled(page)
    screenshot(page, "train-done")

    page.get_by_role("link", name=f"Match with {NAME}").click()
    expect(page).to_have_url(re.compile(r"model=trained%3Abrowser"))
    expect(page.get_by_role("button", name=re.compile("^Rank 1 of")).first).to_be_visible()
    settled(page)
    assert NAME in page.get_by_test_id("stMain").inner_text()
