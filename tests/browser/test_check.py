"""The Check page in a real browser: an answered example, reviewed with the keyboard."""

import csv
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from components.images import sample_captions
from components.ui.check.example import EXCHANGED
from tests.browser.helpers import Screenshot, Server, loaded, settled, tiles, upload

GRID = "check_grid"
SUSPECTS = re.compile(r"(\d+) of (\d+) suspects decided")


def opened(page: Page, server: Server, query: str = "") -> None:
    """Open the page, and wait until it has listed the pairs."""
    page.goto(f"{server.url}/check{query}")
    expect(tiles(page, GRID).first).to_be_visible()
    settled(page)


def decided(page: Page, number: int) -> Locator:
    """Wait until so many suspects are decided; return the large view."""
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(re.compile(rf"{number} of \d+ suspects decided"))).to_be_visible()
    settled(page)
    loaded(page, "[role=dialog] .stage img")  # it listens to the arrow keys
    # A run has ended before all is drawn, and the buttons listen to their keys after that.
    expect(dialog.get_by_text("Evidence")).to_be_visible()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return dialog


def tile(page: Page, name: str) -> Locator:
    """Return the tile of an image's pair in the grid."""
    return page.locator(f'.st-key-{GRID} li.tile[data-id="{name}#0"]')


def test_the_exchanged_captions_come_first_with_their_own_suggested(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    opened(page, server)
    expect(page.get_by_text("more likely wrong than right").first).to_be_visible()
    first = page.locator(f".st-key-{GRID} li.tile").all()[: len(EXCHANGED) + 1]
    ids = {str(each.get_attribute("data-id")).partition("#")[0] for each in first}
    assert set(EXCHANGED) <= ids
    for name in EXCHANGED:
        expect(tile(page, name)).to_contain_text("likely wrong")
        expect(tile(page, name)).to_contain_text(f"Fits better:{sample_captions()[name]}")
    loaded(page)
    screenshot(page, "check-first-screen")


def test_suspects_are_reviewed_with_the_keyboard(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    opened(page, server)
    page.get_by_role("button", name="Review").click()
    decided(page, 0)
    first = page.url
    page.keyboard.press("k")
    decided(page, 1)
    second = page.url
    assert second != first
    page.keyboard.press("d")
    decided(page, 2)
    page.keyboard.press("u")
    decided(page, 1)
    assert page.url == second
    page.keyboard.press("s")  # the suggested caption
    decided(page, 2)
    third = page.url
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("dialog").get_by_text("Rewritten")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(third)
    settled(page)
    page.keyboard.press("m")
    decided(page, 3)
    screenshot(page, "check-pair")
    page.keyboard.press("Escape")
    marks = page.locator(f".st-key-{GRID} .marked .rank")
    expect(marks).to_have_text(["1 · Kept", "2 · Rewritten", "3 · Moved"])


def test_a_new_caption_is_scored_while_it_is_typed(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    opened(page, server, "?check_pair=camera.jpg%230")
    dialog = decided(page, 0)
    page.keyboard.press("w")
    field = dialog.get_by_role("textbox", name="New caption")
    expect(field).to_be_focused()
    expect(field).to_have_value(sample_captions()["flower.jpg"])
    page.keyboard.type("a keen man with a dark camera")  # k, m, d, w are letters here
    ranks = dialog.get_by_role("row", name=re.compile("Rank of this image for the caption"))
    expect(ranks.first.get_by_role("cell").last).to_have_text(f"1 of {len(sample_captions())}")
    settled(page)
    screenshot(page, "check-rewrite")
    page.keyboard.press("Control+Enter")
    decided(page, 1)
    page.keyboard.press("Escape")
    expect(tile(page, "camera.jpg")).to_contain_text("New:a keen man with a dark camera")


def test_decisions_are_downloaded_and_resumed(server: Server, page: Page, tmp_path: Path) -> None:
    opened(page, server, "?check_pair=camera.jpg%230")
    decided(page, 0)
    page.keyboard.press("d")
    decided(page, 1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()
    for name in ("Decisions", "Checked table", "Cleaned table"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        download.value.save_as(tmp_path / name)
    with (tmp_path / "Checked table").open(encoding="utf-8", newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert len(rows) == len(sample_captions())
    assert rows["camera.jpg"]["decision"] == "drop"
    assert "camera.jpg" not in (tmp_path / "Cleaned table").read_text(encoding="utf-8")
    page.reload()  # another session
    expect(page.get_by_text("0 of 6 suspects decided")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Resume").click()
    decisions = (tmp_path / "Decisions").rename(tmp_path / "decisions.json")
    dialog = page.get_by_role("dialog")
    upload(page, decisions, dialog.locator("input[type=file]"))
    dialog.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("1 of 6 suspects decided")).to_be_visible()


def test_a_link_restores_the_view(server: Server, page: Page) -> None:
    opened(page, server)
    page.get_by_role("radio", name="Undecided").click()
    expect(page).to_have_url(re.compile("check_show=Undecided"))
    settled(page)  # another filter opens the first page
    page.get_by_role("button", name="Page 2").click()
    expect(tiles(page, GRID).first).to_have_attribute("aria-label", re.compile("^Rank 25 of"))
    settled(page)
    link, first = page.url, tiles(page, GRID).first.get_attribute("aria-label")
    assert "check_show=Undecided" in link
    page.goto("about:blank")
    page.goto(link)
    expect(tiles(page, GRID).first).to_have_attribute("aria-label", str(first))


def test_labels_are_counted_and_each_opens_its_images(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.goto(f"{server.url}/check?check_part=Labels")
    expect(page.get_by_text(re.compile(r"^57 images: "))).to_be_visible()
    settled(page)
    cats = page.get_by_role("list", name=re.compile("^cat: "))
    expect(cats.locator("button.open[aria-label*='chelsea.jpg']")).to_be_visible()
    loaded(page)
    screenshot(page, "labels-first-screen")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = Path(waiting.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) == 57
    assert next(row for row in rows if row["image"] == "chelsea.jpg")["label"] == "cat"
    settled(page)
    page.get_by_role("button", name=re.compile("^Show all .*")).first.click()
    expect(page).to_have_url(re.compile("labels_show="))
