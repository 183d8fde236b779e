"""How long the Search page takes from a query to its new grid, in the browser.

    python -m tests.browser.bench_search_page FOLDER [--rounds 20] [--to ADDRESS]

Indexes the images of FOLDER with Pocket, opens the page, and asks: from the Enter key to the
moment when first and last tile of the page are those of the new query and every image is loaded.
``--to`` publishes the collection to a Milvus server, and asks a second app, which searches there,
the same queries in turn.
"""

import argparse
import statistics
import threading
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page

from components.collection.build import BuildJob, build
from components.collection.milvus.address import connect
from components.collection.milvus.publish import publish, withdraw
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.encoder import load
from tests.browser.helpers import Server, running, visited

_NAME = "bench"
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


def measure(folder: Path, rounds: int, to: str) -> None:
    """Print the median and the spread, and where there are two apps their ratio."""
    with visited() as (server, browser), ExitStack() as stack:
        build(BuildJob(_NAME, SourceSpec("folder", str(folder))), load("pocket"))
        apps = {"folder": server}
        if to:
            publish(_NAME, connect(to), lambda now: None, threading.Event())
            stack.callback(withdraw, _NAME, connect(to))
            log = server.log.with_name("milvus.log")
            apps["Milvus"] = stack.enter_context(running(log, CAPTIONLENS_MILVUS=to))
        pages = {name: _open(browser, app) for name, app in apps.items()}
        times: dict[str, list[float]] = {name: [] for name in pages}
        for number in range(rounds + 4):
            for name, page in pages.items():
                taken = ask(page, QUERIES[number % len(QUERIES)])
                page.wait_for_timeout(700)
                if number >= 4:  # the first ones load what is loaded once
                    times[name].append(taken)
        lines = [
            f"{len(open_folder(_NAME)):,} images, {rounds} queries, from Enter to the new grid:"
        ]
    medians = {name: statistics.median(each) for name, each in times.items()}
    for name, each in times.items():
        share = medians[name] / medians["folder"]
        lines.append(
            f"{name}: p50 {medians[name]:.0f} ms ({min(each):.0f} to {max(each):.0f}), {share:.2f}"
        )
    print("\n".join(lines))  # noqa: T201 - a script's result


def _open(browser: Browser, app: Server) -> Page:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(f"{app.url}/search?search_in={_NAME}&search_q=a+house")
    page.locator("button.open").nth(23).wait_for()
    page.wait_for_timeout(2000)
    return page


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--to", default="", help="address of a Milvus server")
    arguments = parser.parse_args()
    measure(arguments.folder, arguments.rounds, arguments.to)
