"""The photo grid of Match and Search in a real browser: looking, opening, moving, selecting."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from components.collection.build import BuildJob, build
from components.collection.sources.source import SourceSpec
from components.encoder import load
from components.images import sample_captions
from tests.browser.helpers import SAMPLES, Server, first_tile, loaded, settled, tiles, upload

CAT = "a tabby cat"
COUNT = len(sample_captions())
HOSTILE = "<img src=x onerror=window.hacked=1>"


def on_screen(page: Page) -> int:
    """Return how many images of the grids are seen, whole or in part, without scrolling."""
    seen = """tiles => tiles.filter(tile => {
        const { top, bottom, left, right } = tile.getBoundingClientRect()
        const within = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth
        return within && getComputedStyle(tile).visibility === "visible"
    }).length"""
    return int(tiles(page).evaluate_all(seen))


def places(page: Page) -> list[list[int]]:
    """Return where each image of the grid is: left, top, width, height."""
    boxes = """tiles => tiles.map(tile => {
        const box = tile.getBoundingClientRect()
        return [box.left, box.top, box.width, box.height].map(Math.round)
    })"""
    return [[int(each) for each in place] for place in tiles(page).evaluate_all(boxes)]


def relative(boxes: list[list[int]]) -> list[list[int]]:
    """Return places as seen from the first image: what is above the grid may still be drawn."""
    left, top = boxes[0][:2]
    return [[box[0] - left, box[1] - top, *box[2:]] for box in boxes]


def ready(page: Page, address: str, key: str = "match_grid") -> None:
    """Open a page, and wait until its best image is there and its script has ended."""
    page.goto(address)
    first_tile(page, key=key)
    settled(page)


def one_caption(page: Page, server: Server) -> None:
    ready(page, f"{server.url}/?match_captions={CAT}")


def check(page: Page, name: str) -> Locator:
    """Return the check mark of an image's first tile."""
    return page.get_by_role("checkbox", name=f"Select {name}", exact=True).first


@pytest.mark.parametrize(
    ("width", "height", "least"), [(1440, 900, 10), (390, 844, 2)], ids=["laptop", "phone"]
)
def test_the_first_screen_shows_ranked_images(
    server: Server, browser: Browser, width: int, height: int, least: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    ready(page, server.url)
    assert on_screen(page) >= least
    expect(page.get_by_role("textbox", name="Captions, one per line")).to_be_in_viewport()
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop") == 0
    if width > 800:
        expect(page.get_by_alt_text("Logo").first).to_be_in_viewport()
    context.close()


def test_rows_do_not_jump_while_images_load(server: Server, page: Page) -> None:
    page.goto(server.url)
    expect(tiles(page).first).to_be_visible()
    before = relative(places(page))
    loaded(page)
    settled(page)
    assert relative(places(page)) == before


def test_nothing_moves_when_another_score_is_shown(server: Server, page: Page) -> None:
    ready(page, server.url)
    loaded(page)
    expect(page.get_by_role("radio", name="Colours")).to_be_visible()
    page.wait_for_timeout(500)  # Streamlit loads its own controls when they are first drawn
    before = places(page)
    page.get_by_role("radio", name="Percentile").click()
    expect(tiles(page).first).to_have_attribute("aria-label", re.compile("^[^,]+, [^,]+, [0-9.]+%"))
    settled(page)
    assert places(page) == before


def test_a_screen_reader_hears_rank_file_score_band_and_what_the_image_shows(
    server: Server, page: Page
) -> None:
    one_caption(page, server)
    label = tiles(page).first.get_attribute("aria-label") or ""
    alt = re.escape(sample_captions()["chelsea.jpg"])
    assert re.fullmatch(
        rf"Rank 1 of {COUNT}, chelsea\.jpg, 0\.\d{{3}}, (fair|strong), \d+\.\d%, z \d\.\d, {alt}",
        label,
    )
    expect(page.get_by_role("list", name=CAT)).to_be_visible()


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_an_image_opens_large_and_its_neighbours_follow(
    server: Server, page: Page, how: str
) -> None:
    one_caption(page, server)
    first, second = tiles(page).nth(0), tiles(page).nth(1)
    names = [_name(first), _name(second)]
    if how == "click":
        first.click()
    else:
        first.focus()
        page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(names[0], exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(f"match_photo={names[0]}"))
    expect(dialog.get_by_text("pixels")).to_be_visible()
    expect(dialog.get_by_test_id("stDataFrame")).to_be_visible()
    loaded(page, "[role=dialog] .stage img")
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_text(names[1], exact=True)).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"^2 of \d+$"))).to_be_visible()
    expect(page).to_have_url(re.compile(f"match_photo={names[1]}"))
    settled(page)
    dialog.get_by_role("button", name="Previous image").click()
    expect(dialog.get_by_text(names[0], exact=True)).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("match_photo"))
    expect(first).to_be_focused()


def _name(button: Locator) -> str:
    return (button.get_attribute("aria-label") or "").split(", ")[1]


def test_a_link_opens_an_image_and_a_missing_one_has_a_sentence(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?match_photo=coffee.jpg")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("coffee.jpg", exact=True)).to_be_visible()
    page.goto(f"{server.url}/?match_photo=gone.jpg")
    expect(dialog.get_by_text("This image is no longer on the page.")).to_be_visible()


def test_search_opens_an_image_and_steps_through_the_results(server: Server, page: Page) -> None:
    ready(page, f"{server.url}/search?search_q={CAT}", "search_grid")
    results = tiles(page, "search_grid")
    second = _name(results.nth(1))
    results.first.click()
    dialog = page.get_by_role("dialog")
    title = dialog.get_by_role("strong").first
    expect(title).to_have_text("chelsea.jpg")
    loaded(page, "[role=dialog] .stage img")
    settled(page)
    page.keyboard.press("ArrowRight")
    expect(title).to_have_text(second)
    expect(page).to_have_url(re.compile(f"search_photo={second}"))
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(results.first).to_be_focused()


def test_arrow_keys_move_between_images(server: Server, page: Page) -> None:
    one_caption(page, server)
    buttons = tiles(page)
    buttons.first.focus()
    page.keyboard.press("ArrowRight")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    below = _focused(page)
    boxes = relative(places(page))
    before, after = boxes[1], boxes[below]
    assert after[1] > before[1]  # a line further down, the nearest in it
    assert abs(_middle(after) - _middle(before)) < max(before[2], after[2])
    page.keyboard.press("ArrowUp")
    assert boxes[_focused(page)][1] == before[1]  # back in the first line
    page.keyboard.press("End")
    expect(buttons.last).to_be_focused()
    page.keyboard.press("ArrowRight")  # there is none: the focus stays
    expect(buttons.last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(buttons.first).to_be_focused()
    stops = buttons.evaluate_all("all => all.filter(each => each.tabIndex === 0).length")
    assert stops == 1  # Tab leaves the grid instead of stopping at every image


def _focused(page: Page) -> int:
    at = "all => all.findIndex(each => each.getRootNode().activeElement === each)"
    return int(tiles(page).evaluate_all(at))


def _middle(place: list[int]) -> float:
    return place[0] + place[2] / 2


def test_images_are_selected_downloaded_and_deselected(server: Server, page: Page) -> None:
    one_caption(page, server)
    chosen = [_name(tiles(page).nth(number)) for number in (1, 2, 3)]
    check(page, chosen[0]).check()
    expect(page.get_by_text("1 image selected")).to_be_visible()
    settled(page)
    check(page, chosen[2]).click(modifiers=["Shift"])  # and those between
    expect(page.get_by_text("3 images selected")).to_be_visible()
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())) as files:
        assert sorted(files.namelist()) == sorted(chosen)
        assert files.read(chosen[0]) == (SAMPLES / chosen[0]).read_bytes()
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_text("selected")).to_have_count(0)
    for name in chosen:
        expect(check(page, name)).not_to_be_checked()


def test_a_cleared_selection_does_not_come_back(server: Server, page: Page) -> None:
    one_caption(page, server)
    check(page, "chelsea.jpg").check()
    expect(page.get_by_text("1 image selected")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_text("1 image selected")).to_have_count(0)
    settled(page)
    page.get_by_role("radio", name="Percentile").click()
    expect(page).to_have_url(re.compile("match_score=Percentile"))
    settled(page)
    expect(page.get_by_text("1 image selected")).to_have_count(0)
    expect(check(page, "chelsea.jpg")).not_to_be_checked()


def test_a_selection_outlives_other_scores_and_other_captions(server: Server, page: Page) -> None:
    one_caption(page, server)
    check(page, "chelsea.jpg").check()
    expect(page.get_by_text("1 image selected")).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="Probability").click()
    expect(page).to_have_url(re.compile("match_score=Probability"))
    settled(page)
    expect(check(page, "chelsea.jpg")).to_be_checked()
    box = page.get_by_role("textbox", name="Captions, one per line")
    box.fill("a cat")
    box.press("Control+Enter")
    expect(page.get_by_role("list", name="a cat")).to_be_visible()
    settled(page)
    expect(page.get_by_text("1 image selected")).to_be_visible()
    expect(check(page, "chelsea.jpg")).to_be_checked()


@pytest.mark.parametrize("start", ["match", "search"])
def test_selected_images_go_to_the_tray_and_are_ranked(
    server: Server, page: Page, start: str
) -> None:
    if start == "match":
        one_caption(page, server)
    else:
        ready(page, f"{server.url}/search?search_q={CAT}", "search_grid")
    check(page, "chelsea.jpg").check()
    expect(page.get_by_text("1 image selected")).to_be_visible()
    settled(page)
    check(page, "cat_mirror.jpg").check()
    expect(page.get_by_text("2 images selected")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Add to tray").click()
    expect(page.get_by_text("2 images in the tray.")).to_be_visible()
    expect(page.get_by_text("2 images selected")).to_have_count(0)
    settled(page)
    page.get_by_role("link", name="Match").first.click()
    expect(page.get_by_role("heading", level=1, name="Match")).to_be_visible()
    expect(page.get_by_text(re.compile("^2 images .*: chelsea.jpg, cat_"))).to_be_visible()
    expect(tiles(page, row=0)).to_have_count(2)


def test_the_whole_list_of_a_caption_opens_and_closes(server: Server, page: Page) -> None:
    ready(page, f"{server.url}/?match_captions=a+cat%0Aa+bus")
    expect(page.locator("ul.row")).to_have_count(2)
    for row in (0, 1):
        tops = tiles(page, row=row).evaluate_all(
            """tiles => tiles.filter(each => getComputedStyle(each).visibility === "visible")
                .map(each => Math.round(each.getBoundingClientRect().top))"""
        )
        assert len(tops) > 3
        assert len(set(tops)) == 1  # one row, of whole images
    page.get_by_role("button", name=f"Show all {COUNT}: a bus").click()
    expect(page.locator("ul.row")).to_have_count(1)
    expect(page).to_have_url(re.compile("match_show=2"))
    expect(page.get_by_role("heading", name="a bus")).to_be_visible()
    expect(tiles(page)).to_have_count(24)
    assert on_screen(page) > 12
    settled(page)
    page.get_by_role("button", name="All captions").click()
    expect(page.locator("ul.row")).to_have_count(2)
    expect(page).not_to_have_url(re.compile("match_show"))


def test_an_example_is_one_click_away(server: Server, page: Page) -> None:
    ready(page, server.url)
    page.get_by_text("Colours", exact=True).click()
    box = page.get_by_role("textbox", name="Captions, one per line")
    expect(box).to_have_value("a red bus\na green bus\na blue bus")
    expect(page.get_by_role("heading", name="a green bus")).to_be_visible()
    expect(page.get_by_text("Both buses lead each ranking")).to_be_visible()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """An image whose name is HTML that would run."""
    file = tmp_path / f"{HOSTILE}.jpg"
    file.write_bytes((SAMPLES / "chelsea.jpg").read_bytes())
    return file


def harmless(page: Page) -> None:
    """No element was made of a hostile text, and nothing ran."""
    page.wait_for_timeout(300)
    assert page.evaluate("window.hacked") is None
    expect(page.locator("img[src=x], img[onerror], b.hostile")).to_have_count(0)


def test_hostile_names_and_captions_are_only_text(
    server: Server, page: Page, hostile: Path
) -> None:
    page.goto(f"{server.url}/?match_names=true")
    first_tile(page)
    upload(page, hostile)
    expect(page.get_by_text("An example with sample images")).to_have_count(0)
    settled(page)
    box = page.get_by_role("textbox", name="Captions, one per line")
    script = "<script>window.hacked=1</script>"
    box.fill(f"{HOSTILE}\n{script}")
    box.press("Control+Enter")
    expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    expect(page.get_by_role("heading", name=script)).to_be_visible()
    expect(page.locator(".name").first).to_have_text(f"{HOSTILE}.jpg")
    settled(page)
    harmless(page)
    tiles(page).first.click()
    expect(page.get_by_role("dialog").get_by_text(f"{HOSTILE}.jpg")).to_be_visible()
    settled(page)
    harmless(page)
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Captions").click()
    expect(page.locator(".line").filter(has_text=HOSTILE).first).to_be_visible()
    harmless(page)


@pytest.fixture
def foreign(tmp_path: Path, hostile: Path, model_cache: Path) -> str:
    """A collection from somebody else's table: every field of it is HTML."""
    table = tmp_path / "foreign.csv"
    bold = "<b class='hostile'>bold</b>"
    fields = ("description", "photographer", "photographer_url", "page_url", "licence", "place")
    values = [HOSTILE, HOSTILE, "javascript:window.hacked=1", "javascript:window.hacked=1"]
    rows = [["image", *fields], [hostile.name, *values, bold, bold]]
    table.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    build(BuildJob("foreign", SourceSpec("table", str(table))), load("pocket"))
    return "foreign"


def test_the_metadata_of_a_collection_is_only_text(
    server: Server, page: Page, foreign: str
) -> None:
    page.goto(f"{server.url}/search?search_in={foreign}&search_names=true&search_q=a+cat")
    first_tile(page, key="search_grid")
    settled(page)
    harmless(page)
    tiles(page, "search_grid").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(HOSTILE).first).to_be_visible()
    settled(page)
    harmless(page)
    expect(page.locator("a[href^='javascript']")).to_have_count(0)
