"""No page breaks a rule of axe-core, in either theme, at either width, but for Streamlit's own."""

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no stubs
from playwright.sync_api import Page, expect

from tests.browser.helpers import Server, settled

# Streamlit's own: (rule, a part of the element), found with Streamlit 1.67 and axe-core 4.
STREAMLIT = {
    # The area of a file uploader has role="presentation" and a label.
    ("presentation-role-conflict", 'data-testid="stFileUploaderDropzone"'),
    # A table that is wider than the phone scrolls in a div that the keyboard cannot reach.
    ("scrollable-region-focusable", '<div class="st-emotion-cache'),
}
PAGES = {
    "match": "/",
    "match with an open image": "/?match_photo=chelsea.jpg",
    "match, captions of each image": "/?match_by=Captions&match_names=true",
    "match without captions": "/?match_captions=%20",
    "match without its model": "/?model=openai/clip-vit-large-patch14",
    "match presented": "/?present=true",
    "search": "/search",
    "search with results": "/search?search_q=a+cat,+-dog&search_scores=true",
    "search as a map": "/search?search_view=Map",
    "search as a map, selected": "/search?search_view=Map&search_colour=Orientation"
    "&search_part=portrait",
    "search with an open image": "/search?search_q=a+cat&search_photo=chelsea.jpg",
    "matrix": "/matrix",
    "check": "/check",
    "check with an open image": "/check?check_pair=camera.jpg%230",
    "check, an upload": "/check?check_from=Upload",
    "check, labels": "/check?check_part=Labels",
    "train": "/train",
    "models": "/models",
}


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page, without what is Streamlit's own."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:300]}"
        for each in found
        for node in each["nodes"]
        if not any(each["id"] == rule and part in node["html"] for rule, part in STREAMLIT)
    ]


def violations_everywhere(page: Page) -> dict[tuple[str, int], list[str]]:
    """Return what `violations` finds, by theme and width, where it finds anything."""
    found = {}
    for scheme in ("light", "dark"):
        for width in (1440, 390):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)  # what fades in is of low contrast until then
            if broken := violations(page):
                found[scheme, width] = broken
    return found


@pytest.mark.parametrize("name", PAGES)
def test_no_page_breaks_a_rule(server: Server, page: Page, name: str) -> None:
    page.goto(server.url + PAGES[name])
    expect(page.get_by_role("heading", level=1)).to_be_attached()
    settled(page)
    if "open image" in name:
        expect(page.get_by_role("dialog")).to_be_visible()
    assert not violations_everywhere(page)


def test_axe_finds_what_is_wrong(server: Server, page: Page) -> None:
    page.goto(server.url)
    settled(page)
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=x>')")
    assert any(each.startswith("image-alt") for each in violations(page))
