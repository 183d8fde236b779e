"""How long the Matrix page takes to draw another score, in the browser.

    python -m tests.browser.bench_matrix_page [--rounds 8]

From the click on a score to the frame in which the chart of that score stands, with every cell,
for matrices of 8 x 8, all of the samples, and 100 x 100.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from components.images import sample_captions
from components.settings import ROOT
from tests.browser.helpers import visited

_DRAWN = """([title, cells]) => {
  const chart = document.querySelector('[data-testid=stVegaLiteChart] svg.marks');
  const titles = [...(chart?.querySelectorAll('.role-legend-title text') ?? [])];
  const drawn = chart?.querySelector('.mark-rect.role-mark')?.querySelectorAll('path').length;
  return titles.some(t => t.textContent.startsWith(title)) && drawn === cells && performance.now();
}"""


def switch(page: Page, score: str, cells: int) -> float:
    """Return the milliseconds from the click on a score to its chart."""
    start = page.evaluate("performance.now()")
    page.get_by_role("radio", name=score, exact=True).click()
    arguments = [score.lower(), cells]
    end = page.wait_for_function(_DRAWN, arg=arguments, polling="raf").json_value()
    return float(end) - float(start)


def fill(page: Page, folder: Path, size: int) -> None:
    """Put ``size`` captions and images on the page."""
    own = list(sample_captions().items())
    files = []
    for number in range(size):
        with Image.open(ROOT / "sample_images" / own[number % len(own)][0]) as image:
            files.append(folder / f"{number:03}.jpg")
            image.convert("RGB").resize((200 + number, 200)).save(files[-1])
    page.locator("input[type=file]").first.set_input_files(files)
    lines = [f"{own[number % len(own)][1]}, {number}" for number in range(size)]
    box = page.get_by_role("textbox", name="Captions, one per line")
    box.fill("\n".join(lines))
    box.press("Control+Enter")
    drawn = [["cosine", size * size]]
    page.wait_for_function(_DRAWN, arg=drawn[0], polling="raf", timeout=120_000)
    page.wait_for_timeout(3000)


def measure(rounds: int) -> None:
    """Print the median and the spread of each size."""
    with visited() as (server, browser), tempfile.TemporaryDirectory() as place:
        for size in (8, len(sample_captions()), 100):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(f"{server.url}/matrix?matrix_samples=All")
            page.locator("svg.marks").first.wait_for()
            if size != len(sample_captions()):
                folder = Path(place) / str(size)
                folder.mkdir()
                fill(page, folder, size)
            times = []
            for number in range(rounds + 2):
                times.append(switch(page, ("Percentile", "Cosine")[number % 2], size * size))
                page.wait_for_timeout(1500)
            page.close()
            kept = times[2:]  # the first ones load what is loaded once
            print(  # noqa: T201 - a script's result
                f"{size} x {size}: p50 {statistics.median(kept):.0f} ms"
                f" ({min(kept):.0f} to {max(kept):.0f}) from the click to the new chart"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    measure(parser.parse_args().rounds)
