"""The map of the Search page in a real browser, which draws it by WebGL on the processor."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from components.collection.build import BuildJob, build
from components.collection.manifest import folder_of
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.encoder import load
from components.projection.stored import CollectionMap
from tests.browser.helpers import Screenshot, Server, loaded, settled, tiles
from tests.maps import FIRST, keep_known_map, large_collection

GRID = "search_grid"
MANY = 25_000
# How many pixels of the map are drawn, and a sum of their colours.
_PIXELS = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const bytes = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  let [drawn, colours] = [0, 0];
  for (let at = 0; at < bytes.length; at += 4) {
    if (bytes[at + 3]) drawn++;
    colours += bytes[at] + 3 * bytes[at + 1] + 7 * bytes[at + 2];
  }
  return [drawn, colours];
}"""
# Moves the map a little in each frame, as a hand would; returns the frames in a second.
_FRAMES = """surface => new Promise(done => {
  const send = (kind, x) => surface.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, bubbles: true, clientX: box.left + x, clientY: box.top + 300 }));
  const box = surface.getBoundingClientRect();
  surface.setPointerCapture = () => {};
  send("pointerdown", 300);
  let frames = 0;
  const start = performance.now();
  const step = now => {
    send("pointermove", 300 + 100 * Math.sin(++frames / 10));
    if (now - start < 2000) return requestAnimationFrame(step);
    send("pointerup", 300);
    done(1000 * frames / (now - start));
  };
  requestAnimationFrame(step);
})"""


@pytest.fixture(scope="module")
def found(model_cache: Path) -> Iterator[CollectionMap]:
    """A collection of the sample images, with a map where they lie in a line."""
    build(BuildJob("mapped", SourceSpec("samples")), load("pocket"))
    yield keep_known_map(open_folder("mapped"))
    shutil.rmtree(folder_of("mapped"))


def canvas(page: Page) -> Locator:
    return page.locator(".st-key-search_map canvas")


def surface(page: Page) -> Locator:
    """Return what takes the events of the map."""
    return page.locator(".st-key-search_map .surface")


def open_map(server: Server, page: Page, query: str = "") -> None:
    page.goto(f"{server.url}/search?search_view=Map&search_in=mapped{query}")
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until the map is drawn and its page is at rest."""
    expect(page.locator(".st-key-search_map .root.loaded")).to_be_visible()
    settled(page)


def middle(page: Page) -> tuple[float, float]:
    box = surface(page).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def at(found: CollectionMap, row: int, zoom: float = 8) -> str:
    """Return the part of a link that has an image in the middle of the map."""
    x, y = found.xy[row]
    return f"&search_at={x:.5f}_{y:.5f}_{zoom}"


def test_points_are_drawn_and_hovering_shows_an_image(
    server: Server, page: Page, found: CollectionMap, screenshot: Screenshot
) -> None:
    open_map(server, page, at(found, 5))
    assert canvas(page).evaluate(_PIXELS)[0] > 50
    card = page.locator(".st-key-search_map .card")
    expect(card).to_be_hidden()
    page.mouse.move(*middle(page))
    expect(card.get_by_text(found.ids[5])).to_be_visible()
    expect(card.get_by_text("Cluster: cat")).to_be_visible()
    loaded(page, ".st-key-search_map .card img")
    loaded(page, ".st-key-search_map .thumbs img")
    screenshot(page, "search-map-hover")
    page.mouse.click(*middle(page))
    expect(page.get_by_role("dialog").get_by_text(found.ids[5], exact=True)).to_be_visible()


def test_an_outline_becomes_the_grid_and_its_link_restores_it(
    server: Server, page: Page, found: CollectionMap
) -> None:
    open_map(server, page)
    page.get_by_role("button", name="Select by drawing around images").click()
    box = surface(page).bounding_box()
    assert box
    left, top = box["x"] + 60, box["y"] + 100
    right, bottom = box["x"] + box["width"] / 2, box["y"] + box["height"] - 20
    page.mouse.move(left - 50, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left - 50, bottom)):
        page.mouse.move(x, y, steps=12)
    page.mouse.up()
    selected = page.get_by_text(re.compile(r"^\d+ images selected$"))
    expect(selected).to_be_visible()
    expect(page).to_have_url(re.compile("search_area=m"))
    settled(page)
    number = int((selected.text_content() or "").split()[0])
    assert abs(number - len(found) / 2) <= 2  # they lie in a line
    listed = [each.get_attribute("aria-label") for each in tiles(page, GRID).all()]
    page.goto(page.url)
    drawn(page)
    expect(page.get_by_text(f"{number} images selected")).to_be_visible()
    assert [each.get_attribute("aria-label") for each in tiles(page, GRID).all()] == listed
    expect(page.locator(".st-key-search_map polygon")).to_have_attribute(
        "points", re.compile(r"\d.* \d")
    )
    page.get_by_role("button", name="Clear selection").click()
    expect(page.get_by_text("images in random order")).to_be_visible()


def test_moving_the_map_is_kept_in_the_link(
    server: Server, page: Page, found: CollectionMap
) -> None:
    open_map(server, page)
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, -400)
    page.mouse.down()
    page.mouse.move(middle(page)[0] + 80, middle(page)[1], steps=5)
    page.mouse.up()
    expect(page).to_have_url(re.compile("search_at="))
    page.wait_for_timeout(800)  # the map tells the page where it is once it has come to rest
    settled(page)
    before = canvas(page).evaluate(_PIXELS)
    page.goto(page.url)
    drawn(page)
    assert canvas(page).evaluate(_PIXELS) == before


def test_typing_a_query_recolours_the_map(
    server: Server, page: Page, found: CollectionMap, screenshot: Screenshot
) -> None:
    open_map(server, page)
    before = canvas(page).evaluate(_PIXELS)
    legend = page.locator(".st-key-search_map .legend")
    expect(legend.get_by_role("button", name="cat")).to_be_visible()
    page.get_by_role("searchbox", name="Search in words").press_sequentially("a tabby cat")
    expect(legend.get_by_text("Cosine with the query")).to_be_visible()
    settled(page)
    assert canvas(page).evaluate(_PIXELS) != before
    screenshot(page, "search-map-query")


def test_a_part_of_the_legend_is_selected(server: Server, page: Page, found: CollectionMap) -> None:
    open_map(server, page)
    cat = page.locator(".st-key-search_map .legend").get_by_role("button", name="cat")
    cat.click()
    expect(page.get_by_text(f"{FIRST} images selected")).to_be_visible()
    expect(cat).to_have_attribute("aria-pressed", "true")
    expect(tiles(page, GRID)).to_have_count(FIRST)
    cat.click()
    expect(page.get_by_text("images in random order")).to_be_visible()


def test_the_map_is_used_with_the_keyboard(
    server: Server, page: Page, found: CollectionMap
) -> None:
    open_map(server, page, at(found, 30, zoom=20))
    surface(page).focus()
    page.keyboard.press("+")
    spoken = page.locator(".st-key-search_map .spoken")
    expect(spoken).to_contain_text(f"{found.ids[30]}, Cluster: none")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(found.ids[30], exact=True)).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(surface(page)).to_be_focused()
    page.keyboard.press("0")
    expect(page).to_have_url(re.compile(r"search_at=-?0\.\d+_0_1$"))


def test_a_selection_is_checked_and_its_link_restores_it(
    server: Server, page: Page, found: CollectionMap
) -> None:
    area = "m-200000_-10000_20000_-10000_20000_10000_-200000_10000"  # the left of the line
    open_map(server, page, f"&search_colour=Clusters&search_area={area}")
    number = (page.get_by_text(re.compile(r"^\d+ images selected$")).text_content() or "").split()[
        0
    ]
    page.get_by_role("button", name="Check", exact=True).click()
    checked = page.get_by_text(f"{number} pairs of {number} images")
    expect(checked).to_be_visible()
    expect(page).to_have_url(
        re.compile("check_from=Collection.*check_map_area|check_map_area.*from=")
    )
    settled(page)
    page.goto(page.url)
    expect(checked).to_be_visible()
    expect(page.get_by_text(f"{number} images selected on the map of mapped")).to_be_visible()


class Fingers:
    """Fingers on the middle of the map; ``places`` are pixels from there, right and down."""

    def __init__(self, page: Page) -> None:
        self.page, self.session = page, page.context.new_cdp_session(page)

    def move(self, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
        self._send("touchStart", start)
        for step in range(1, 9):
            pairs = zip(start, end, strict=True)
            self._send(
                "touchMove",
                [(a + (c - a) * step / 8, b + (d - b) * step / 8) for (a, b), (c, d) in pairs],
            )
            self.page.wait_for_timeout(30)
        self._send("touchEnd", [])

    def tap(self) -> None:
        self._send("touchStart", [(0, 0)])
        self._send("touchEnd", [])

    def _send(self, kind: str, places: list[tuple[float, float]]) -> None:
        x, y = middle(self.page)
        points = [{"x": x + a, "y": y + b, "id": n} for n, (a, b) in enumerate(places)]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A page of a phone."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def place(page: Page) -> tuple[float, ...]:
    """Return what the link has in the middle of the map, and its zoom."""
    found = re.search(r"search_at=([^&]*)", page.url)
    return tuple(map(float, found[1].split("_"))) if found else ()


def test_fingers_move_the_map_and_zoom_it_and_the_page_still_scrolls(
    server: Server, phone: Page, found: CollectionMap, screenshot: Screenshot
) -> None:
    open_map(server, phone)
    surface(phone).scroll_into_view_if_needed()
    fingers = Fingers(phone)
    before = middle(phone)
    fingers.move([(0, 0)], [(0, -120)])
    phone.wait_for_timeout(1000)
    assert middle(phone)[1] < before[1] - 50  # the page has scrolled, and the map is where it was
    assert not place(phone)
    fingers.move([(-40, 0), (40, 0)], [(-120, 0), (120, 0)])
    expect(phone).to_have_url(re.compile("search_at="))
    settled(phone)
    x, y, zoom = place(phone)
    assert zoom == pytest.approx(3, abs=0.2)
    before = middle(phone)
    fingers.move([(0, 0)], [(-60, -40)])
    expect(phone).not_to_have_url(re.compile(f"search_at={x}_".replace(".", r"\.")))
    settled(phone)
    assert place(phone)[0] > x and place(phone)[1] < y
    assert middle(phone) == before
    screenshot(phone, "search-map-phone")
    phone.goto(f"{phone.url.partition('&search_at=')[0]}{at(found, 30, zoom=20)}")
    drawn(phone)
    surface(phone).scroll_into_view_if_needed()
    fingers.tap()
    card = phone.locator(".st-key-search_map .card")
    expect(card.get_by_text(found.ids[30])).to_be_visible()
    fingers.tap()
    expect(phone.get_by_role("dialog").get_by_text(found.ids[30], exact=True)).to_be_visible()


def test_the_map_is_drawn_again_when_a_graphics_card_comes_back(
    server: Server, page: Page, found: CollectionMap
) -> None:
    open_map(server, page)
    before = canvas(page).evaluate(_PIXELS)
    canvas(page).evaluate(
        """async canvas => {
          const card = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
          card.loseContext();
          await new Promise(done => setTimeout(done, 100));
          card.restoreContext();
          await new Promise(done => setTimeout(done, 400));
        }"""
    )
    assert canvas(page).evaluate(_PIXELS) == before


def test_a_browser_without_webgl_says_so_and_draws_the_map(
    server: Server, page: Page, found: CollectionMap
) -> None:
    page.add_init_script(
        """const own = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind.startsWith("webgl") ? null : own.call(this, kind, ...more);
        };"""
    )
    open_map(server, page)
    expect(page.get_by_text("This browser has no WebGL")).to_be_visible()
    assert canvas(page).evaluate(_PIXELS)[0] > 50


def test_25_000_points_are_drawn_and_moved(
    server: Server, page: Page, screenshot: Screenshot, capsys: pytest.CaptureFixture[str]
) -> None:
    large_collection("large", MANY, load("pocket"))
    try:
        page.goto(f"{server.url}/search?search_view=Map&search_in=large&search_q=a+cat")
        drawn(page)
        expect(page.get_by_role("application", name="Map of 25,000 images")).to_be_visible()
        screenshot(page, "search-map-25000")
        before = canvas(page).evaluate(_PIXELS)
        frames = surface(page).evaluate(_FRAMES)
        with capsys.disabled():
            sys.stdout.write(f"\n{MANY:,} points, WebGL on the processor: {frames:.0f} frames/s\n")
        assert before[0] > MANY / 10
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(300)
        assert canvas(page).evaluate(_PIXELS) != before
    finally:
        shutil.rmtree(folder_of("large"))
