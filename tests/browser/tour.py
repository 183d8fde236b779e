"""Makes the pictures of the README: ``python -m tests.browser.tour`` writes them to ``.github``.

A real server and a real browser: a picture of each page, and ``tour.webp``, an animation of what a
visitor does in the first minute.
"""

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect

from components.settings import ROOT
from tests.browser.helpers import settled, visited

expect.set_options(timeout=120_000)  # the first page loads the model
FOLDER = ROOT / ".github"
_SIZE = ViewportSize(width=1280, height=800)
_WIDTH = 960  # of the animation, in pixels
_MAX_BYTES = 2_000_000
PICTURES = {
    "match": "/",
    "search": "/search?search_q=an+animal,+-cat",
    "map": "/search?search_q=an+animal&search_view=Map",
    "matrix": "/matrix",
    "check": "/check",
}


def open_page(page: Page, address: str) -> None:
    """Open a page and wait until it has drawn everything."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_attached(timeout=120_000)
    settled(page)
    expect(page.get_by_text("This is a first sketch of the map.")).to_have_count(0)
    page.wait_for_timeout(1500)


def frames(page: Page, url: str) -> Iterator[tuple[bytes, int]]:
    """Yield screenshots of a first visit, each with its duration in milliseconds."""
    open_page(page, url)
    yield page.screenshot(), 2200
    page.locator("button.open").nth(1).hover()
    page.wait_for_timeout(400)
    yield page.screenshot(), 1200
    page.locator("button.open").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_timeout(1000)
    yield page.screenshot(), 1800
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(1000)
    yield page.screenshot(), 1400
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_text("Colours", exact=True).click()
    page.wait_for_timeout(1500)
    yield page.screenshot(), 2000
    open_page(page, f"{url}/search")
    yield page.screenshot(), 1200
    box = page.get_by_role("searchbox", name="Search in words")
    for text in ("a", "a bird", "a bird over", "a bird over water"):
        box.fill(text)
        page.wait_for_timeout(1100)
        yield page.screenshot(), 500 if text != "a bird over water" else 2000
    page.get_by_role("radio", name="Map").click()
    page.wait_for_timeout(2000)
    yield page.screenshot(), 2200
    open_page(page, f"{url}/matrix")
    yield page.screenshot(), 2200
    open_page(page, f"{url}/?present=true")
    yield page.screenshot(), 1400
    page.keyboard.press("PageDown")
    page.wait_for_timeout(1500)
    yield page.screenshot(), 2000


def animate(shots: list[tuple[bytes, int]], file: Path) -> None:
    """Write an animated WebP below two megabytes, of the highest quality that fits."""
    images = [Image.open(io.BytesIO(png)).convert("RGB") for png, _ in shots]
    height = round(_WIDTH * _SIZE["height"] / _SIZE["width"])
    images = [each.resize((_WIDTH, height), Image.Resampling.LANCZOS) for each in images]
    durations = [duration for _, duration in shots]
    for quality in (80, 70, 60, 50, 40):
        out = io.BytesIO()
        images[0].save(
            out,
            "WEBP",
            save_all=True,
            append_images=images[1:],
            duration=durations,
            loop=0,
            quality=quality,
            method=6,
        )
        if out.tell() < _MAX_BYTES:
            file.write_bytes(out.getvalue())
            return
    raise SystemExit("The animation is larger than two megabytes at the lowest quality.")


def main() -> None:
    """Make every picture."""
    with visited() as (server, browser):
        page = browser.new_page(viewport=_SIZE)
        for name, address in PICTURES.items():
            open_page(page, server.url + address)
            page.screenshot(path=FOLDER / f"{name}.png")
        animate(list(frames(page, server.url)), FOLDER / "tour.webp")


if __name__ == "__main__":
    main()
