"""How long the Match page takes to its first images, to a large view and to other captions.

    python -m tests.browser.bench_match_page [--rounds 15]

With Pocket and the sample images, in a browser window of 1440 x 900 pixels. Each time ends in the
frame that shows the result, every picture in it loaded:

- from the address to ten ranked images or more on the screen;
- from the click on an image to its large view;
- from Ctrl+Enter in the captions to the new images.
"""

import argparse
import statistics
from collections.abc import Callable

from playwright.sync_api import Browser, Page

from tests.browser.helpers import settled, visited

CAPTIONS = (
    "a cat\na bus\nmountains",
    "a clock\npeople at a table\na bird",
    "a dog\na plate of food\na beach",
    "a street sign\nan elephant\na laptop on a desk",
)
# Our components are in open shadow roots, of which there are few.
_FIND = """window.find = selector => [...document.querySelectorAll("*")].flatMap(
  each => each.shadowRoot ? [...each.shadowRoot.querySelectorAll(selector)] : [])
"""
_SEEN = """tiles => tiles.filter(tile => {
  const { top, bottom } = tile.getBoundingClientRect()
  const shown = getComputedStyle(tile).visibility === "visible"
  return shown && bottom > 0 && top < innerHeight
})"""
_LOADED = """tiles.every(tile => {
  const image = tile.querySelector("img")
  return image.complete && image.naturalWidth
})"""
_FIRST = f"""() => {{
  const tiles = ({_SEEN})(find("button.open"))
  const ranked = tiles.length >= 10 && tiles[0].ariaLabel.startsWith("Rank 1 ")
  return ranked && {_LOADED} && performance.now()
}}"""
_OPEN = """name => {
  const image = find(".stage img")[0]
  const dialog = document.querySelector("[role=dialog]")
  const shown = dialog && dialog.innerText.includes(name) && image
  return shown && image.complete && image.naturalWidth && performance.now()
}"""
_NEW = f"""titles => {{
  const shown = find("h2").map(each => each.textContent)
  const tiles = ({_SEEN})(find("button.open"))
  return shown.join() === titles.join() && {_LOADED} && performance.now()
}}"""


def wait(page: Page, condition: str, argument: object = None) -> float:
    """Return the page's clock in the first frame in which a condition holds."""
    value = page.wait_for_function(condition, arg=argument, polling="raf").json_value()
    return float(value)


def first_images(browser: Browser, url: str) -> float:
    """Return the milliseconds from the address to ten images."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(_FIND)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    taken = wait(page, _FIRST)  # the clock starts with the navigation
    context.close()
    return taken


def large_view(page: Page, number: int) -> float:
    """Return the milliseconds from a click on an image to its large view."""
    tile = page.locator("button.open").nth(number % 5)
    name = (tile.get_attribute("aria-label") or "").split(", ")[1]
    start = tile.evaluate("tile => { const now = performance.now(); tile.click(); return now }")
    end = wait(page, _OPEN, name)
    settled(page)
    page.wait_for_timeout(300)
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Close").first.click()
    dialog.wait_for(state="detached")
    settled(page)
    return end - float(start)


def other_captions(page: Page, number: int) -> float:
    """Return the milliseconds from Ctrl+Enter to the images of other captions."""
    text = CAPTIONS[number % len(CAPTIONS)]
    box = page.get_by_role("textbox", name="Captions, one per line")
    box.fill(text)
    page.wait_for_timeout(300)
    start = page.evaluate("performance.now()")
    page.keyboard.press("Control+Enter")
    end = wait(page, _NEW, text.splitlines())
    settled(page)
    return end - float(start)


def measure(rounds: int) -> None:
    """Print the median and the spread of each."""
    with visited() as (server, browser):
        cold = first_images(browser, server.url)  # loads the model, encodes the samples
        print(f"first visit after the server's start: {cold:.0f} ms")  # noqa: T201 - a result
        report("ten images", rounds, lambda _: first_images(browser, server.url))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(_FIND)
        page.goto(server.url)
        wait(page, _FIRST)
        page.wait_for_timeout(2000)
        report("click to large view", rounds, lambda number: large_view(page, number))
        report("new captions", rounds, lambda number: other_captions(page, number))


def report(name: str, rounds: int, take: Callable[[int], float]) -> None:
    """Print the median and the spread of a measurement; its first four rounds do not count."""
    times = [take(number) for number in range(rounds + 4)][4:]
    print(  # noqa: T201 - a script's result
        f"{name}: p50 {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f}),"
        f" {rounds} times"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    measure(parser.parse_args().rounds)
