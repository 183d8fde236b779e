"""The Search page in a real browser with real images."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of, write_manifest
from components.collection.sources.source import SourceSpec
from components.collection.sources.unsplash import Unsplash
from components.collection.store import open_folder
from components.encoder import load
from components.images import sample_captions
from tests.browser.helpers import (
    SAMPLES,
    Screenshot,
    Server,
    failures,
    first_tile,
    running,
    settled,
    tile,
    tiles,
    upload,
)
from tests.photo_server import PHOTO_COLUMNS, PhotoServer, jpeg, lite_zip, photo, tsv

CAT = "a tabby cat"
COUNT = len(sample_captions())


GRID = "search_grid"


def first(page: Page, name: str) -> None:
    """Wait until the best image is the one of that name."""
    first_tile(page, name, GRID)


def label(page: Page) -> str:
    """Return what the first image of the page is called, with its score."""
    return tiles(page, GRID).first.get_attribute("aria-label") or ""


def box(page: Page) -> Locator:
    return page.get_by_role("searchbox", name="Search in words")


def ask(page: Page, text: str) -> None:
    box(page).fill(text)


def open_popover(page: Page, name: str) -> None:
    page.get_by_test_id("stPopover").get_by_role("button", name=name).click()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> str:
    """A collection of sixty images in two folders, in the server's data folder."""
    folder = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    for number in range(60):
        place = folder / ("north" if number % 3 else "south")
        place.mkdir(exist_ok=True)
        pixels = random.integers(0, 256, (3, 4 if number % 2 else 2, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((40 * pixels.shape[1], 120))
        image.save(place / f"{number:02}.png")
    encoder = load("pocket")
    build(BuildJob("many", SourceSpec("folder", str(folder))), encoder)
    return "many"


def test_the_samples_are_indexed_at_first_use_and_searched(
    page: Page, tmp_path: Path, screenshot: Screenshot
) -> None:
    with running(tmp_path / "log", CAPTIONLENS_DATA=str(tmp_path / "data")) as server:
        page.goto(f"{server.url}/search")
        expect(page.get_by_text(f"{COUNT} images in random order")).to_be_visible()
        expect(page.get_by_text(f"{COUNT} images · indexed with pocket")).to_be_visible()
        screenshot(page, "search-first-screen")
        box(page).press_sequentially(CAT)  # nobody presses Enter: it searches as they type
        first(page, "chelsea.jpg")
        assert (tmp_path / "data" / "collections" / "samples" / "manifest.json").exists()
        assert "Traceback" not in failures(tmp_path / "log")


def test_examples_weights_and_negative_terms(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/search")
    page.get_by_role("radio", name="a bus, -red").click()
    first(page, "green_bus.jpg")
    expect(box(page)).to_have_value("a bus, -red")
    open_popover(page, "Display")
    page.get_by_text("Contribution of each term").click()
    page.keyboard.press("Escape")
    terms = page.locator(f".st-key-{GRID} li.tile").first.locator(".line")
    expect(terms.first).to_have_text(re.compile(r"\+0\.\d+a bus"))
    expect(terms.last).to_have_text(re.compile(r"[+-]0\.\d+-1 x red"))
    settled(page)
    screenshot(page, "search-scores")


def test_filters_pages_and_their_link(server: Server, page: Page, many: str) -> None:
    page.goto(f"{server.url}/search?search_in={many}")
    expect(page.get_by_text("60 images in random order")).to_be_visible()
    settled(page)
    before = label(page)
    page.get_by_role("button", name="Page 2").click()
    expect(tiles(page, GRID).first).not_to_have_attribute("aria-label", before)
    settled(page)
    second = label(page)
    expect(page).to_have_url(re.compile("search_page=2"))
    page.goto(page.url)
    expect(tiles(page, GRID).first).to_have_attribute("aria-label", second)  # the same images
    open_popover(page, "Filters")
    page.get_by_role("combobox", name="Folder").click()
    page.get_by_role("option", name="south").click()
    page.keyboard.press("Escape")
    expect(page.get_by_text("20 images in random order")).to_be_visible()
    expect(page).to_have_url(re.compile("search_f_folder=south"))
    expect(tiles(page, GRID)).to_have_count(20)


def test_a_new_query_on_the_second_page_is_in_the_link(
    server: Server, page: Page, many: str
) -> None:
    page.goto(f"{server.url}/search?search_in={many}&search_q=a+dog&search_fold=1.0")
    first(page, "")
    page.get_by_role("button", name="Page 2").click()
    rank = tiles(page, GRID).first
    expect(rank).to_have_attribute("aria-label", re.compile("^Rank 25 of 60, "))
    ask(page, "a red bus")
    expect(rank).to_have_attribute("aria-label", re.compile("^Rank 1 of 60, "))
    settled(page)
    page.wait_for_timeout(500)  # what the server would still write there
    assert "search_q=a+red+bus" in page.url
    before = label(page)
    page.goto(page.url)
    expect(box(page)).to_have_value("a red bus")
    expect(rank).to_have_attribute("aria-label", before)


def test_the_minimum_stands_over_the_histogram(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/search?search_q={CAT}")
    first(page, "chelsea.jpg")
    settled(page)
    open_popover(page, "Score")
    chart = page.get_by_role("img", name="Histogram of this query's cosines")
    expect(chart).to_be_visible()
    screenshot(page, "search-histogram")
    slider = page.get_by_role("slider", name="Minimum cosine")
    for _ in range(3):
        slider.press("PageUp")
    page.keyboard.press("Escape")
    page.goto(f"{server.url}/search?search_q={CAT}&search_min=0.58")
    expect(page.get_by_text(f"1 result of {COUNT} images")).to_be_visible()


def test_a_photograph_opens_and_leads_to_more_like_it(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/search?search_q={CAT}")
    tile(page, "chelsea.jpg").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("chelsea.jpg", exact=True)).to_be_visible()
    expect(dialog.get_by_text("Similar images")).to_be_visible()
    expect(dialog.get_by_text("landscape")).to_be_visible()
    expect(page).to_have_url(re.compile("search_photo=chelsea.jpg"))
    settled(page)
    screenshot(page, "search-photo")
    page.goto(page.url)  # the link opens it again
    expect(dialog.get_by_text("chelsea.jpg", exact=True)).to_be_visible()
    settled(page)  # a key pressed while the page is still being drawn may reach nothing
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("search_photo"))
    tile(page, "chelsea.jpg").click()
    dialog.get_by_role("button", name="More like this").click()
    expect(page.get_by_text("Similar to chelsea.jpg")).to_be_visible()
    expect(page).to_have_url(re.compile("search_like=chelsea.jpg"))
    expect(dialog).to_have_count(0)
    first(page, "chelsea.jpg")
    page.get_by_role("button", name="Remove image").click()
    expect(page.get_by_text(f"{COUNT} images in random order")).to_be_visible()


def test_a_similar_image_opens(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/search?search_photo=chelsea.jpg")
    dialog = page.get_by_role("dialog")
    title = dialog.get_by_role("strong").first
    expect(title).to_have_text("chelsea.jpg")
    settled(page)
    tile(dialog, "cat_mirror.jpg").click()
    expect(title).to_have_text("cat_mirror.jpg")
    expect(page).to_have_url(re.compile("search_photo=cat_mirror.jpg"))


def test_the_tray_is_carried_to_match(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/search?search_photo=rocket.jpg")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add to tray").click()
    expect(page.get_by_text("1 image in the tray.")).to_be_visible()
    dialog.get_by_role("button", name="Close").first.click()
    expect(dialog).to_have_count(0)
    ask(page, "a hot drink")
    first(page, "coffee.jpg")
    tile(page, "coffee.jpg").click()
    dialog.get_by_role("button", name="Use in Match").click()
    expect(page.get_by_role("heading", level=1, name="Match")).to_be_visible()
    expect(page.get_by_text("2 images from Search: rocket.jpg, coffee.jpg.")).to_be_visible()
    settled(page)
    expect(tiles(page, row=0)).to_have_count(2)
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text("An example with sample images")).to_be_visible()


def test_an_uploaded_image_is_searched_by(server: Server, page: Page, tmp_path: Path) -> None:
    own = Path(shutil.copy(SAMPLES / "horse.jpg", tmp_path / "mine.jpg"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"Dear reader,")
    page.goto(f"{server.url}/search")
    settled(page)
    open_popover(page, "By an image")
    upload(page, broken)
    expect(page.get_by_text("broken.jpg is not an image")).to_be_visible()
    upload(page, own)
    expect(page.get_by_text("Similar to mine.jpg")).to_be_visible()
    page.keyboard.press("Escape")
    first(page, "horse.jpg")
    ask(page, "3*an elephant")
    expect(page.get_by_text("Weight of the image")).to_be_visible()
    first(page, "man_elephant.jpg")


def test_the_list_is_downloaded(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/search?search_q={CAT}")
    first(page, "chelsea.jpg")
    settled(page)

    def download(name: str) -> str:
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        return Path(waiting.value.path()).read_text(encoding="utf-8")

    rows = list(csv.DictReader(io.StringIO(download("CSV"))))
    assert (rows[0]["rank"], rows[0]["id"]) == ("1", "chelsea.jpg")
    whole = json.loads(download("JSON"))
    assert (whole["query"], whole["collection"], whole["model"]) == (CAT, "samples", "pocket")
    assert [row["id"] for row in whole["matches"]] == [row["id"] for row in rows]


def test_a_folder_is_indexed_from_the_page_and_removed(
    server: Server, page: Page, tmp_path: Path, screenshot: Screenshot
) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    for number in range(400):
        (folder / f"{number:03}.jpg").write_bytes(jpeg(number % 40) + b"%d" % number)
    (folder / "broken.jpg").write_bytes(b"")
    page.goto(f"{server.url}/search")
    settled(page)
    page.get_by_role("button", name="Collections", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Folder on the computer that runs CaptionLens").fill(str(folder))
    dialog.get_by_label("Folder on the computer that runs CaptionLens").press("Enter")
    expect(dialog.get_by_placeholder("holiday")).to_be_visible()
    dialog.get_by_role("button", name="Index", exact=True).click()
    expect(page.get_by_text(re.compile(r"Indexing holiday: \d+ of 401"))).to_be_visible()
    screenshot(page, "search-indexing")
    page.get_by_role("button", name="Stop", exact=True).last.click()
    expect(page.get_by_text("The build was stopped. Run it again to resume.")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("holiday: 400 images")).to_be_visible()
    ask(page, "a cat")
    expect(page).to_have_url(re.compile(r"search_q=a\+cat"))
    page.goto(f"{server.url}/search?search_in=holiday")
    expect(page.get_by_text("400 images in random order")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Collections", exact=True).click()
    expect(dialog.get_by_text("1 image skipped")).to_be_visible()
    dialog.get_by_role("button", name="Remove", exact=True).click()
    dialog.get_by_role("button", name="Remove holiday now").click()
    expect(page.get_by_text("There is no collection holiday")).to_be_visible()
    page.get_by_role("button", name="Go to the samples").click()
    expect(page.get_by_text(f"{COUNT} images in random order")).to_be_visible()


def test_a_collection_removed_under_the_open_page(server: Server, page: Page, many: str) -> None:
    shutil.copytree(folder_of(many), folder_of("fleeting"))
    manifest = open_folder(many).manifest
    write_manifest(folder_of("fleeting"), replace(manifest, name="fleeting"))
    assert len(open_folder("fleeting")) == 60
    page.goto(f"{server.url}/search?search_in=fleeting&search_fold=1.0")
    expect(page.get_by_text("60 images in random order")).to_be_visible()
    settled(page)
    shutil.rmtree(folder_of("fleeting"))
    ask(page, "a cat")  # the open collection still answers
    expect(page.get_by_text("60 results of 60 images")).to_be_visible()
    page.reload()
    expect(page.get_by_text("There is no collection fleeting")).to_be_visible()


@pytest.fixture
def unsplash(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A collection shaped like Unsplash's, of photographs made for it."""
    monkeypatch.setenv("CAPTIONLENS_PRIVATE_ADDRESSES", "1")
    with PhotoServer({f"/photo-{n}": jpeg(n) for n in range(12)}) as photos:
        table = tsv(PHOTO_COLUMNS, [photo(n, photos.url) for n in range(12)])
        photos.files["/lite.zip"] = lite_zip({"photos.tsv000": table})
        place = f"{photos.url}/lite.zip"
        encoder = load("pocket")
        spec = SourceSpec("unsplash", place)
        build(BuildJob("unsplash", spec), encoder, images=Unsplash(place))
        yield "unsplash"
    shutil.rmtree(folder_of("unsplash"))


def test_every_unsplash_photograph_carries_its_credit(
    server: Server, page: Page, unsplash: str, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/search?search_in={unsplash}")
    expect(page.get_by_text("12 images in random order")).to_be_visible()
    settled(page)
    credit = re.compile("Photo by .* on Unsplash")
    expect(page.locator(f".st-key-{GRID} .credit").get_by_text(credit)).to_have_count(12)
    link = page.locator(f".st-key-{GRID} .credit").first.get_by_role("link", name="Zoë Doe")
    expect(link).to_have_attribute(
        "href", re.compile(r"https://unsplash\.com/@user\d\?utm_source=captionlens&utm_medium=ref")
    )
    screenshot(page, "search-unsplash")
    tiles(page, GRID).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Photo by").first).to_be_visible()
    # The server of this test may not ask private addresses: the thumbnail is shown instead.
    expect(dialog.get_by_text("Thumbnail shown instead.")).to_be_visible()
    expect(dialog.get_by_role("link", name="Photo page")).to_be_visible()
