"""The Matrix page in a real browser with real images."""

import csv
import io
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Dialog, Locator, Page, expect

from components.images import sample_captions
from components.settings import ROOT
from tests.browser.helpers import SAMPLES, Screenshot, Server, settled, upload

CAT, ROCKET = "a facial photo of a tabby cat", "a rocket standing on a launchpad"
BUS = sample_captions()["red_bus.jpg"]
ATTACK = "<img src=x onerror=alert(1)>.png"


def open_matrix(page: Page, url: str, query: str = "") -> None:
    page.goto(f"{url}/matrix{query}")
    expect(heat(page)).to_be_visible()
    settled(page)


def heat(page: Page) -> Locator:
    """The first chart's drawing."""
    return page.get_by_test_id("stVegaLiteChart").first.locator("svg.marks")


def cells(page: Page) -> Locator:
    """The coloured cells, each with what it says to a screen reader."""
    return heat(page).locator(".mark-rect.role-mark").first.locator("path")


def labels(page: Page) -> list[str]:
    """The captions beside the matrix, from the top down; the lines of one are joined."""
    lines = "labels => labels.map(l => [...l.querySelectorAll('tspan')].map(t => t.textContent))"
    texts = heat(page).locator(".role-axis-label text").evaluate_all(lines)
    whole = heat(page).locator(".role-axis-label text").all_text_contents()
    joined = [" ".join(each) or text for each, text in zip(texts, whole, strict=True)]
    return [text for text in joined if text.strip()]


def wait_for_labels(page: Page, accept: Callable[[list[str]], bool]) -> list[str]:
    """Return the labels once they are accepted: a chart is drawn after the script has ended."""
    deadline = time.monotonic() + 30
    while not accept(found := labels(page)):
        assert time.monotonic() < deadline, found
        page.wait_for_timeout(100)
    return found


def cell(page: Page, caption: str, image: str) -> Locator:
    return heat(page).locator(
        f"path[aria-label*='Caption: {caption};'][aria-label*='Image: {image};']"
    )


def download(page: Page, button: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return Path(waiting.value.path()).read_bytes()


def type_captions(page: Page, *captions: str) -> None:
    box = page.get_by_role("textbox", name="Captions, one per line")
    box.fill("\n".join(captions))
    box.press("Control+Enter")
    expect(page.get_by_text(f"{len(captions)} captions · longest")).to_be_visible()
    settled(page)


def watch(page: Page, dialogs: list[str]) -> None:
    """Note what a page's scripts would say in a dialog."""

    def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """A person's own files, one of them with a hostile name."""
    names = {"cat.jpg": "chelsea.jpg", "rocket.jpg": "rocket.jpg", "horse.jpg": "horse.jpg"}
    files = [Path(shutil.copy(SAMPLES / own, tmp_path / name)) for name, own in names.items()]
    with Image.open(SAMPLES / "coffee.jpg") as image:
        image.save(tmp_path / ATTACK)
    return [*files, tmp_path / ATTACK]


def upload_instead(page: Page, files: list[Path]) -> None:
    """Upload files, and wait until they have replaced the example."""
    upload(page, files)
    expect(page.get_by_text("Sample images", exact=True)).to_have_count(0)
    settled(page)


def test_a_click_on_a_cell_opens_it(
    server: Server, context: BrowserContext, screenshot: Screenshot
) -> None:
    page = context.new_page()
    open_matrix(page, server.url)
    expect(cells(page)).to_have_count(10 * 10)
    cell(page, CAT, "red_bus.jpg").click(force=True)
    expect(page.get_by_text("with red_bus.jpg")).to_be_visible()
    settled(page)
    assert "matrix_image=red_bus.jpg" in page.url
    expect(page.locator("li.tile.chosen")).to_have_attribute("data-id", "red_bus.jpg")
    cell(page, BUS, "red_bus.jpg").click(force=True)
    expect(page.get_by_text("Faithfulness check:")).to_be_visible()
    expect(page.get_by_role("combobox", name="Caption", exact=False).first).to_be_visible()
    settled(page)
    screenshot(page, "matrix-cell")
    other = context.new_page()
    open_matrix(other, server.url, "?" + page.url.partition("?")[2])
    expect(other.get_by_text("with red_bus.jpg")).to_be_visible()
    expect(other.locator("li.tile.chosen")).to_have_attribute("data-id", "red_bus.jpg")


def test_the_first_screen_shows_the_whole_matrix(server: Server, page: Page) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_matrix(page, server.url)
    pictures = heat(page).locator(".mark-image image")
    expect(pictures).to_have_count(10)
    above = "marks => marks.getBoundingClientRect().bottom < innerHeight"
    page.wait_for_function(above, arg=heat(page).element_handle())  # drawn small, then as it stays
    assert heat(page).evaluate(above)
    assert min(float(str(each.get_attribute("width"))) for each in pictures.all()) >= 64


def test_on_a_phone_captions_come_first_and_nothing_is_wider_than_the_screen(
    server: Server, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_matrix(page, server.url)
    parts = [page.get_by_role("textbox", name="Captions, one per line"), heat(page)]
    parts.append(page.get_by_role("tab", name="Files"))
    tops = [box["y"] for part in parts if (box := part.bounding_box())]
    assert tops == sorted(tops)
    assert len(tops) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_all_samples_are_one_click_away(server: Server, page: Page) -> None:
    open_matrix(page, server.url)
    page.get_by_role("radio", name="All", exact=True).click()
    everything = len(sample_captions())
    expect(page.get_by_text(f"gallery of {everything} images")).to_be_visible()
    settled(page)
    assert cells(page).count() == everything**2


def test_presenting_hides_the_inputs_and_steps_through_captions(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_matrix(page, server.url, "?present=true&matrix_image=red_bus.jpg")
    expect(page.get_by_role("textbox", name="Captions, one per line")).to_be_hidden()
    expect(page.get_by_role("radio", name="Percentile")).to_be_hidden()
    chart = "document.querySelector('[data-testid=stVegaLiteChart] svg.marks')"
    page.wait_for_function(f"{chart}?.getBoundingClientRect().width > 1200")  # it is drawn again
    expect(page.get_by_text(CAT, exact=True).first).to_be_visible()
    page.keyboard.press("PageDown")
    second = list(sample_captions().values())[1]
    expect(page.get_by_role("strong").filter(has_text=second).first).to_be_visible()
    expect(page.get_by_text("with red_bus.jpg")).to_be_visible()
    settled(page)
    screenshot(page, "matrix-presented")
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="Captions, one per line")).to_be_visible()


def test_the_score_and_the_order_change_what_is_drawn(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    open_matrix(page, server.url)
    given = wait_for_labels(page, lambda found: found[:1] == [CAT])
    number = heat(page).locator(".mark-text.role-mark text").first
    expect(number).to_have_text(re.compile(r"^\.\d\d$"))
    page.get_by_role("radio", name="Percentile").click()
    expect(page.get_by_text("Colour: percentile, from 0% to 100%, fixed.")).to_be_visible()
    expect(number).to_have_text(re.compile(r"^\d+$"))
    page.get_by_role("button", name="About the score").click()
    expect(page.get_by_text("1,000 everyday captions")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Display").click()
    page.get_by_role("radio", name="Clustered").click()
    expect(page).to_have_url(re.compile("matrix_order=Clustered"))
    wait_for_labels(page, lambda found: found != given and sorted(found) == sorted(given))
    page.get_by_text("One-to-one assignment").click()
    expect(page.get_by_text("The one-to-one assignment.")).to_be_visible()
    settled(page)
    for part in ("matrix_score=Percentile", "matrix_order=Clustered", "matrix_assign=true"):
        assert part in page.url
    screenshot(page, "matrix-clustered")


def test_the_keyboard_opens_a_cell_and_the_table_reads_it(server: Server, page: Page) -> None:
    open_matrix(page, server.url)
    caption = page.get_by_role("combobox", name=re.compile("Caption")).last
    caption.focus()
    page.keyboard.press("Tab")  # from the choice of a caption to its help or to the images
    for _ in range(3):
        if page.evaluate("document.activeElement.shadowRoot?.activeElement?.className") == "open":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    second = page.locator("li.tile button.open").nth(1)
    expect(second).to_be_focused()
    expect(second).to_have_attribute(
        "aria-label", re.compile(r"^Rank \d+ of 10, beach_riders\.jpg, -?\.\d\d, ")
    )
    page.keyboard.press("Enter")
    expect(page.get_by_text("with beach_riders.jpg")).to_be_visible()
    assert "matrix_image=beach_riders.jpg" in page.url
    page.get_by_text("Table: 10 captions, 10 images, cosine").click()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible()


def test_every_download_opens(server: Server, page: Page, images: list[Path]) -> None:
    open_matrix(page, server.url)
    upload_instead(page, images)
    type_captions(page, CAT, ROCKET)
    png = Image.open(io.BytesIO(download(page, "PNG")))
    assert png.format == "PNG"
    assert b"<svg" in download(page, "SVG")
    assert download(page, "PDF").startswith(b"%PDF")
    rows = list(csv.reader(io.StringIO(download(page, "CSV").decode())))
    assert rows[0] == ["caption", "cat.jpg", "rocket.jpg", "horse.jpg", ATTACK]
    assert [row[0] for row in rows[1:]] == [CAT, ROCKET]
    best = max(range(1, 5), key=lambda column: float(rows[1][column]))
    assert rows[0][best] == "cat.jpg"
    table = pq.read_table(io.BytesIO(download(page, "Parquet")))
    assert table.column_names == rows[0]


def test_the_report_runs_no_untrusted_script(
    server: Server, page: Page, context: BrowserContext, images: list[Path], tmp_path: Path
) -> None:
    open_matrix(page, server.url)
    upload_instead(page, images)
    type_captions(page, CAT, "<script>alert(2)</script> a cup of coffee")
    page.get_by_role("button", name="Make the report").click()
    button = page.get_by_role("button", name=re.compile(r"^Report \("))
    expect(button).to_be_visible(timeout=240_000)  # its maps take a busy machine minutes
    file = tmp_path / "report.html"
    with page.expect_download() as waiting:
        button.click()
    shutil.copy(waiting.value.path(), file)
    report = context.new_page()
    requests: list[str] = []
    dialogs: list[str] = []
    report.on("request", lambda request: requests.append(request.url))
    watch(report, dialogs)
    report.goto(file.as_uri())
    report.wait_for_load_state("networkidle")
    expect(report.get_by_text(ATTACK).first).to_be_visible()
    expect(report.get_by_text("<script>alert(2)</script> a cup of coffee").first).to_be_visible()
    assert dialogs == []
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    loaded = "[...document.images].every(i => i.complete && i.naturalWidth > 0 && i.alt)"
    assert report.evaluate(loaded)
    assert report.locator("img").count() == 1 + 2 * 3 + 4
    report.set_viewport_size({"width": 1200, "height": 1000})
    (ROOT / ".test-results" / "screenshots").mkdir(parents=True, exist_ok=True)
    report.screenshot(path=ROOT / ".test-results/screenshots/matrix-report.png", full_page=True)


def test_a_hostile_name_stays_text_on_the_page(
    server: Server, page: Page, images: list[Path]
) -> None:
    dialogs: list[str] = []
    watch(page, dialogs)
    open_matrix(page, server.url)
    upload_instead(page, images)
    type_captions(page, CAT, "<img src=x onerror=alert(3)>")
    cells(page).last.hover(force=True)
    expect(page.locator("#vg-tooltip-element")).to_contain_text("onerror=alert(3)")
    cells(page).last.click(force=True)
    expect(page.get_by_text(f"with {ATTACK}")).to_be_visible()
    settled(page)
    assert dialogs == []


def test_a_report_can_be_stopped_and_made_again(server: Server, page: Page) -> None:
    open_matrix(page, server.url)
    page.get_by_role("button", name="Make the report").click()
    expect(
        page.get_by_text(re.compile(r"Explaining the best matches: [1-9]\d* of 10"))
    ).to_be_visible()
    page.get_by_role("radio", name="Percentile").click()  # the page works meanwhile
    expect(page.get_by_text("Colour: percentile")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("The report was stopped.")).to_be_visible()
    type_captions(page, CAT, ROCKET)  # two maps: ten take a slow machine minutes
    page.get_by_role("button", name="Make the report").click()
    expect(page.get_by_role("button", name=re.compile(r"^Report \("))).to_be_visible()
    type_captions(page, CAT, ROCKET, "a dog")
    expect(page.get_by_role("button", name=re.compile(r"^Report \("))).to_have_count(0)


def test_a_hundred_by_a_hundred_is_usable(
    server: Server, page: Page, tmp_path: Path, screenshot: Screenshot
) -> None:
    own = list(sample_captions())
    files = []
    for number in range(100):
        with Image.open(SAMPLES / own[number % len(own)]) as image:
            small = image.convert("RGB").resize((96 + number, 96))
            files.append(tmp_path / f"{number:03}.jpg")
            small.save(files[-1])
    lines = [f"{text}, {number}" for number in range(5) for text in sample_captions().values()]
    open_matrix(page, server.url)
    upload(page, files)
    type_captions(page, *lines[:100])
    expect(page.get_by_text("Faithfulness check:")).to_be_visible()
    settled(page)
    assert cells(page).count() == 10_000
    start = time.monotonic()
    page.get_by_role("radio", name="Percentile").click()
    expect(page.get_by_text("Colour: percentile")).to_be_visible()
    settled(page)
    seconds = time.monotonic() - start
    assert len(labels(page)) == 100
    screenshot(page, f"matrix-100x100-{seconds:.1f}s")


def test_a_csv_of_pairs_gives_recall(
    server: Server, page: Page, images: list[Path], tmp_path: Path
) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(f"image,caption\ncat.jpg,{CAT}\nrocket.jpg,{ROCKET}\nlost.jpg,a dog\n")
    open_matrix(page, server.url)
    upload_instead(page, images)
    page.get_by_role("radio", name="CSV of pairs").click()
    expect(page.get_by_text("CSV or Parquet file with columns")).to_be_visible()
    settled(page)
    upload(page, table, page.locator("input[type=file]").first)
    expect(
        page.get_by_text("1 image of the table not among the images on this page")
    ).to_be_visible()
    expect(page.get_by_role("table").filter(has_text="caption to image")).to_contain_text("100.0%")


@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ("Which words", "How much the cosine falls without each word"),
        ("A versus B", "orange favours A"),
        ("Change the caption", "The variants are made by simple rules"),
        ("Change the image", "Averaged views"),
    ],
)
def test_why_in_other_ways(
    server: Server, page: Page, why: str, sentence: str, screenshot: Screenshot
) -> None:
    open_matrix(page, server.url)
    page.get_by_role("radio", name=why).click()
    expect(page.get_by_text(sentence)).to_be_visible()
    settled(page)
    screenshot(page, f"matrix-{why.lower().replace(' ', '-')}")
