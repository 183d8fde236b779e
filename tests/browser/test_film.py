"""Films in a real browser: found by words, played at their second, with the chart of their time."""

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of
from components.collection.sources.source import SourceSpec
from components.encoder import load
from components.films.moment import frame_id
from tests.browser.helpers import Screenshot, Server, settled, tiles
from tests.browser.test_accessibility import violations_everywhere
from tests.films import make_film, starts

GRID = "search_grid"
SHOTS = [("coffee.jpg", 12), ("chelsea.jpg", 12), ("rocket.jpg", 12)]
CAT = starts(SHOTS)[1]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Path]:
    """Two films and their collection in the server's data folder."""
    folder = tmp_path_factory.mktemp("films")
    make_film(folder / "holiday.mp4", SHOTS, size=(320, 180), sound=True)
    make_film(folder / "old.avi", [("horse.jpg", 3)], size=(320, 180), codec="mpeg4")
    build(BuildJob("films", SourceSpec("videos", str(folder))), load("pocket"))
    yield folder
    shutil.rmtree(folder_of("films"))


def player(page: Page) -> Locator:
    return page.get_by_role("dialog").locator("video")


def plays_at(page: Page, seconds: float, within: float = 4.0) -> None:
    """Wait until the player has drawn a picture of about that second."""
    expect(player(page)).to_be_visible()
    page.wait_for_function(
        """([seconds, within]) => {
            const grids = document.querySelectorAll("[role=dialog] *");
            const videos = [...grids].flatMap(each =>
                each.shadowRoot ? [...each.shadowRoot.querySelectorAll("video")] : [each]);
            const video = videos.find(each => each.matches("video") && !each.hidden);
            return video && video.videoWidth > 0 && video.readyState > 1
                && video.currentTime >= seconds - 0.1 && video.currentTime < seconds + within;
        }""",
        arg=[seconds, within],
    )


def search(server: Server, page: Page, more: str = "") -> None:
    page.goto(f"{server.url}/search?search_in=films&search_q=a tabby cat{more}")
    expect(tiles(page, GRID).first).to_be_visible()
    settled(page)


def test_a_found_moment_is_played_at_its_second(
    server: Server, page: Page, films: Path, screenshot: Screenshot
) -> None:
    search(server, page)
    expect(page.get_by_text(re.compile(r"moments of 39 frames"))).to_be_visible()
    best = tiles(page, GRID).first
    name = best.get_attribute("aria-label") or ""
    found = re.search(r"holiday\.mp4 0:00:(\d\d).*\+\d+ frames", name)
    assert found, name
    second = int(found[1])
    assert CAT <= second < CAT + 12
    shown = page.locator(f".st-key-{GRID} li.tile").first.locator(".line")
    expect(shown).to_have_text(f"0:00:{second}holiday.mp4")
    best.click()
    plays_at(page, second)
    expect(page.get_by_role("dialog").get_by_text(f"At 0:00:{second} of 0:00:36")).to_be_visible()
    settled(page)
    screenshot(page, "film")
    assert player(page).evaluate("video => !video.paused && !video.error")
    assert player(page).get_attribute("aria-label") == f"holiday.mp4 at 0:00:{second}"


def test_the_chart_and_the_strip_lead_to_other_moments(
    server: Server, page: Page, films: Path
) -> None:
    search(server, page, f"&search_photo={frame_id('holiday.mp4', CAT).replace('#', '%23')}")
    plays_at(page, CAT)
    settled(page)
    chart = (
        page.get_by_role("dialog").get_by_test_id("stVegaLiteChart").locator("svg, canvas").first
    )
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    chart.click(position={"x": box["width"] - 30, "y": 60})
    expect(page).to_have_url(re.compile(r"search_photo=holiday.mp4%23t%3D3\d\.000"))
    at = float(re.search(r"t%3D(\d+)", page.url)[1])  # type: ignore[index]
    plays_at(page, at)
    settled(page)
    strip = tiles(page, "film_grid")
    strip.first.focus()
    page.keyboard.press("Enter")  # the keyboard goes where the chart does
    expect(page).not_to_have_url(re.compile(f"t%3D{at:.0f}"))
    plays_at(page, CAT, 12)


def test_a_film_that_the_browser_cannot_play_is_shown_as_a_clip(
    server: Server, page: Page, films: Path
) -> None:
    link = frame_id("old.avi", 0.0).replace("#", "%23")
    search(server, page, f"&search_photo={link}")
    expect(page.get_by_text("this browser cannot play old.avi itself")).to_be_visible()
    plays_at(page, 0.0)


def test_a_film_that_is_gone_has_a_sentence_and_its_thumbnail(
    server: Server, page: Page, films: Path
) -> None:
    moved = (films / "old.avi").rename(films / "elsewhere.avi")
    search(server, page, f"&search_photo={frame_id('old.avi', 0.0).replace('#', '%23')}")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("old.avi is not in its folder on this computer")).to_be_visible()
    expect(dialog.get_by_role("img", name="old.avi at 0:00:00", exact=True)).to_be_visible()
    moved.rename(films / "old.avi")


def test_moments_are_downloaded_for_other_programs(server: Server, page: Page, films: Path) -> None:
    search(server, page, "&search_f_film=holiday.mp4")

    def download(name: str) -> str:
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name, exact=True).click()
        return Path(waiting.value.path()).read_text(encoding="utf-8")

    assert "* FROM CLIP NAME: holiday.mp4" in download("EDL")
    assert download("Chapters").startswith(";FFMETADATA1\n[CHAPTER]\n")
    row = next(csv.DictReader(io.StringIO(download("CSV"))))
    assert row["film"] == "holiday.mp4"
    assert float(row["start"]) <= float(row["seconds"]) < float(row["end"])


def test_no_rule_of_accessibility_is_broken(server: Server, page: Page, films: Path) -> None:
    search(server, page, f"&search_photo={frame_id('holiday.mp4', CAT).replace('#', '%23')}")
    plays_at(page, CAT)
    settled(page)
    assert not violations_everywhere(page)
