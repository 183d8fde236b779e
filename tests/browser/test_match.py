"""The Match page in a real browser with real images."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from components.images import EXAMPLE_CAPTION
from tests.browser.helpers import (
    SAMPLES,
    Screenshot,
    Server,
    first_tile,
    settled,
    tile,
    tiles,
    upload,
)

IMAGES = {"one.jpg": "chelsea.jpg", "two.jpg": "motorcycle_right.jpg", "three.jpg": "rocket.jpg"}
CAPTIONS = {
    "a facial photo of a tabby cat": "one.jpg",
    "a red motorcycle standing in a garage": "two.jpg",
    "a rocket standing on a launchpad": "three.jpg",
}


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Sample images under names that do not say what they show."""
    return [Path(shutil.copy(SAMPLES / own, tmp_path / name)) for name, own in IMAGES.items()]


def type_captions(page: Page, captions: list[str]) -> None:
    box = page.get_by_role("textbox", name="Captions, one per line")
    box.fill("\n".join(captions))
    box.press("Control+Enter")


def upload_instead(page: Page, files: list[Path]) -> None:
    """Upload files, and wait until they have replaced the example."""
    upload(page, files)
    expect(page.get_by_text("An example with sample images")).to_have_count(0)


def test_the_first_screen_is_an_answered_example(
    server: Server, page: Page, screenshot: Screenshot
) -> None:
    page.goto(server.url)
    first_tile(page, "cat_mirror.jpg")
    expect(page.get_by_role("button", name="Pocket · CPU, f32")).to_be_visible()
    settled(page)
    captions = page.get_by_role("textbox", name="Captions, one per line")
    expect(captions).to_have_value(EXAMPLE_CAPTION)
    for caption in EXAMPLE_CAPTION.splitlines():
        expect(page.get_by_role("heading", name=caption, exact=True)).to_be_visible()
    images = page.locator("button.open img")
    assert all(image.get_attribute("alt") for image in images.all())
    screenshot(page, "match-first-screen")


def test_uploads_are_ranked_for_typed_captions(
    server: Server, page: Page, images: list[Path], screenshot: Screenshot
) -> None:
    page.goto(server.url)
    first_tile(page)
    upload_instead(page, images)
    type_captions(page, list(CAPTIONS))
    for caption, name in CAPTIONS.items():
        expect(page.get_by_role("heading", name=caption)).to_be_visible()
        first = page.get_by_role("list", name=caption).locator("button.open").first
        expect(first).to_have_attribute("aria-label", re.compile(f"^Rank 1 of 3, {name}, "))
    expect(page.get_by_text("3 captions · longest")).to_be_visible()
    screenshot(page, "match-uploads")


def test_both_directions_and_both_scores(server: Server, page: Page, images: list[Path]) -> None:
    page.goto(server.url)
    first_tile(page)
    upload_instead(page, images)
    type_captions(page, list(CAPTIONS))
    page.get_by_role("radio", name="Captions").click()
    page.get_by_role("radio", name="Probability").click()
    for caption, name in CAPTIONS.items():
        image = page.locator("li.tile").filter(has=tile(page, name))
        best = image.locator(".line").first
        expect(best).to_contain_text(caption)
        expect(best).to_contain_text("%")
    page.get_by_role("button", name="About the score").click()
    expect(page.get_by_text("sum to 100% for every image")).to_be_visible()
    expect(page).to_have_url(re.compile("match_by=Captions"))
    expect(page).to_have_url(re.compile("match_score=Probability"))


def test_a_corrupt_file_is_named_and_the_others_are_ranked(
    server: Server, page: Page, images: list[Path], tmp_path: Path, screenshot: Screenshot
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((SAMPLES / "coffee.jpg").read_bytes()[:3000])
    empty, text = tmp_path / "empty.png", tmp_path / "letter.jpg"
    empty.write_bytes(b"")
    text.write_text("Dear reader,")
    page.goto(server.url)
    first_tile(page)
    upload_instead(page, [broken, *images, empty, text])
    type_captions(page, ["a facial photo of a tabby cat"])
    first_tile(page, "one.jpg")
    settled(page)
    expect(page.get_by_text("3 files skipped; the others are ranked.")).to_be_visible()
    for name in ("broken.jpg", "empty.png", "letter.jpg"):
        expect(page.get_by_role("alert").get_by_text(name)).to_be_visible()
    screenshot(page, "match-corrupt-files")


def _download(page: Page, button: str) -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return Path(waiting.value.path()).read_bytes()


def test_downloads_open_and_parse(server: Server, page: Page, images: list[Path]) -> None:
    page.goto(server.url)
    first_tile(page)
    upload_instead(page, images)
    type_captions(page, list(CAPTIONS))
    expect(page.get_by_role("heading", name=list(CAPTIONS)[2])).to_be_visible()
    settled(page)
    rows = list(csv.DictReader(io.StringIO(_download(page, "CSV").decode())))
    assert len(rows) == 9
    assert {row["caption"]: row["image"] for row in rows if row["rank"] == "1"} == CAPTIONS
    export = json.loads(_download(page, "JSON"))
    assert export["model"] == "pocket"
    assert export["precision"] == "f32"
    assert re.fullmatch(r"[0-9a-f]{12}", export["revision"])
    assert export["versions"].keys() >= {"torch", "openvino", "streamlit"}
    assert len(export["matches"]) == 9
    figure = Image.open(io.BytesIO(_download(page, "Figure (PNG)")))
    assert figure.format == "PNG"
    assert figure.width > 1000


def test_a_link_carries_captions_and_settings(server: Server, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(server.url)
    first_tile(page)
    type_captions(page, list(CAPTIONS)[1:])
    expect(page.get_by_role("heading", name=list(CAPTIONS)[1])).to_be_visible()
    page.get_by_role("radio", name="Probability").click()
    percent = re.compile(r"^Rank 1 of \d+, [^,]+, [\d.]+%, ")
    expect(tiles(page).first).to_have_attribute("aria-label", percent)
    other = context.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name=list(CAPTIONS)[2])).to_be_visible()
    expect(tiles(other).first).to_have_attribute("aria-label", percent)
    first_tile(other, "motorcycle_right.jpg")


def test_a_whole_folder_is_ranked(server: Server, page: Page, images: list[Path]) -> None:
    page.goto(server.url)
    first_tile(page)
    settled(page)
    page.get_by_role("tab", name="Folder").click()
    settled(page)
    upload(page, images[0].parent, page.locator("input[type=file][webkitdirectory]"))
    expect(page.get_by_text("An example with sample images")).to_have_count(0)
    first_tile(page, f"{images[0].parent.name}/one.jpg")
    assert tiles(page, row=0).count() == len(images)


def test_two_sessions_do_not_see_each_others_uploads(
    server: Server, browser: Browser, images: list[Path]
) -> None:
    mine, theirs = browser.new_context().new_page(), browser.new_context().new_page()
    for page in (mine, theirs):
        page.goto(server.url)
        first_tile(page)
    upload(mine, images[:1])
    upload(theirs, images[1:2])
    expect(tile(mine, "one.jpg").first).to_be_visible()
    expect(tile(theirs, "two.jpg").first).to_be_visible()
    expect(tile(mine, "two.jpg")).to_have_count(0)
    expect(tile(theirs, "one.jpg")).to_have_count(0)


def test_a_pasted_image_takes_the_samples_place(server: Server, page: Page) -> None:
    page.goto(server.url)
    first_tile(page)
    settled(page)
    page.get_by_role("tab", name="Paste").click()
    box = page.get_by_test_id("stChatInputTextArea")
    expect(box).to_be_visible()
    settled(page)
    _paste(page, SAMPLES / "coffee.jpg")
    expect(page.get_by_test_id("stChatInput").get_by_text("coffee.jpg")).to_be_visible()
    page.get_by_test_id("stChatInputSubmitButton").click()
    expect(page.get_by_role("button", name="Remove 1 pasted or camera image")).to_be_visible()
    first_tile(page, "coffee.jpg")


def _paste(page: Page, file: Path) -> None:
    """Fire the event that Ctrl+V fires, with a file in it."""
    page.get_by_test_id("stChatInputTextArea").evaluate(
        """(box, bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "coffee.jpg", {type: "image/jpeg"}));
            box.focus();
            box.dispatchEvent(new ClipboardEvent("paste",
                {clipboardData: data, bubbles: true, cancelable: true}));
        }""",
        list(file.read_bytes()),
    )


def test_the_camera_takes_an_image(server: Server, page: Page) -> None:
    page.goto(server.url)
    first_tile(page)
    settled(page)
    page.get_by_role("tab", name="Camera").click()
    page.wait_for_function("document.querySelector('video')?.readyState === 4")
    page.get_by_role("button", name="Take Photo").click()
    expect(page.get_by_role("button", name="Remove 1 pasted or camera image")).to_be_visible()
    expect(page.get_by_text("An example with sample images")).to_have_count(0)
    settled(page)
    first_tile(page)
    assert tiles(page, row=0).count() == 1
    page.get_by_role("button", name="Remove 1 pasted or camera image").click()
    expect(page.get_by_text("An example with sample images")).to_be_visible()


def test_the_page_sends_no_request_to_another_server(server: Server, page: Page) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(server.url)
    first_tile(page)
    settled(page)
    own = (server.url, server.url.replace("http:", "ws:"), "data:", "blob:")
    assert [url for url in requests if not url.startswith(own)] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_overflows_in_either_theme(
    server: Server, browser: Browser, screenshot: Screenshot, width: int, scheme: str
) -> None:
    dark = scheme == "dark"
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    page = context.new_page()
    for name in ("match", "search", "matrix", "train", "models"):
        page.goto(server.url + ("/" if name == "match" else f"/{name}"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        settled(page)
        screenshot(page, f"{name}-{width}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": width, "height": 900})
    context.close()


def test_encoding_can_be_stopped_and_resumed(
    server: Server, page: Page, tmp_path: Path, screenshot: Screenshot
) -> None:
    with Image.open(SAMPLES / "hubble_deep_field.jpg") as image:
        image.resize((2400, 2400)).save(tmp_path / "0.png", compress_level=1)
    files = [tmp_path / "0.png"]
    files += [Path(shutil.copy(files[0], tmp_path / f"{index}.png")) for index in range(1, 50)]
    page.goto(server.url)
    first_tile(page)
    upload(page, files)
    expect(page.get_by_text(re.compile(r"Encoded \d+ of 50"))).to_be_visible(timeout=60_000)
    screenshot(page, "match-encoding")
    page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    settled(page)  # the page is still being drawn below: a click now may be lost
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile("Stopped|Encoded"))).to_have_count(0, timeout=240_000)
    settled(page)
    rows = list(csv.DictReader(io.StringIO(_download(page, "CSV").decode())))
    assert {row["image"] for row in rows} == {file.name for file in files}
