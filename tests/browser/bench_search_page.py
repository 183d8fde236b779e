"""How long the Search page takes from a query to its new grid, in the browser.

    python -m tests.browser.bench_search_page FOLDER [--rounds 20]

Indexes the images of FOLDER with Pocket, opens the page, and asks: from the Enter key to the
moment when first and last tile of the page are those of the new query and every image is loaded.
"""

import argparse
import statistics
from pathlib import Path

from playwright.sync_api import Page

from components.collection.build import BuildJob, build
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.encoder import load
from tests.browser.helpers import visited

QUERIES = (
    "a dog in the snow",
    "children playing football",
    "a man climbing a rock",
    "people at a market",
    "a surfer on a wave",
    "a red car",
    "a girl in a pink dress",
    "a bird over water",
)
# The grid is in an open shadow root.
_TILES = """[...document.querySelectorAll(".st-key-search_grid *")]
  .flatMap(each => each.shadowRoot ? [...each.shadowRoot.querySelectorAll("button.open")] : [])"""
_LABELS = f"(tiles => [tiles[0]?.ariaLabel, tiles[23]?.ariaLabel])({_TILES})"
_NEW = f"""before => {{
  const now = {_LABELS};
  const images = ({_TILES}).map(tile => tile.querySelector("img"));
  const loaded = images.length >= 24 && images.every(p => p.complete && p.naturalWidth);
  return now.every((text, i) => text && text !== before[i]) && loaded && performance.now();
}}"""


def ask(page: Page, query: str) -> float:
    """Return the milliseconds from Enter to the new grid."""
    page.get_by_role("searchbox", name="Search in words").fill(query)
    before = page.evaluate(_LABELS)
    start = page.evaluate("performance.now()")
    page.keyboard.press("Enter")
    end = page.wait_for_function(_NEW, arg=before, polling="raf").json_value()
    return float(end) - float(start)


def measure(folder: Path, rounds: int) -> None:
    """Print the median and the spread."""
    times = []
    with visited() as (server, browser):
        build(BuildJob("bench", SourceSpec("folder", str(folder))), load("pocket"))
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(f"{server.url}/search?search_in=bench&search_q=a+house")
        page.locator("button.open").nth(23).wait_for()
        page.wait_for_timeout(2000)
        for number in range(rounds + 4):
            taken = ask(page, QUERIES[number % len(QUERIES)])
            page.wait_for_timeout(700)
            if number >= 4:  # the first ones load what is loaded once
                times.append(taken)
        size = len(open_folder("bench"))
    low, high = min(times), max(times)
    print(  # noqa: T201 - a script's result
        f"{size:,} images, {rounds} queries: p50 {statistics.median(times):.0f} ms"
        f" ({low:.0f} to {high:.0f}) from Enter to the new grid of 24"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    measure(arguments.folder, arguments.rounds)
