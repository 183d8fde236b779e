"""Showing results to others, in a real browser: "Present", "Copy link", and paper."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from components.ui.setup import MATCH, MATRIX, SEARCH
from tests.browser.helpers import Server, first_tile, settled, tiles

CAPTIONS = "a+cat%0Aa+bus%0Aa+mountain"


def captions(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Captions, one per line")


def test_a_link_opens_the_results_alone(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?present=true&match_captions={CAPTIONS}")
    first_tile(page)
    settled(page)
    expect(page.get_by_role("heading", name="a cat")).to_be_visible()
    expect(captions(page)).to_be_hidden()
    expect(page.get_by_text("Upload images")).to_be_hidden()
    expect(page.locator(".stAppHeader")).to_be_hidden()
    expect(page.get_by_role("radio", name="Probability")).to_be_hidden()


def test_keys_step_through_captions_and_leave(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?present=true&match_captions={CAPTIONS}")
    first_tile(page)
    settled(page)
    titles = page.locator(".heading h2")
    for key, title in (
        ("PageDown", "a cat"),
        ("PageDown", "a bus"),
        ("PageDown", "a mountain"),
        ("PageDown", "a mountain"),  # there is no fourth
        ("PageUp", "a bus"),
    ):
        page.keyboard.press(key)
        expect(titles).to_have_text([title])
        settled(page)
    page.keyboard.press("Escape")
    expect(captions(page)).to_be_visible()
    expect(page.locator(".stAppHeader")).to_be_visible()
    expect(page).not_to_have_url(re.compile("present=true"))
    expect(captions(page)).to_have_value("a cat\na bus\na mountain")


def test_an_image_opens_and_closes_while_presenting(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?present=true&match_captions={CAPTIONS}")
    first_tile(page)
    settled(page)
    tiles(page).first.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    settled(page)
    page.keyboard.press("Escape")  # closes the image alone
    expect(dialog).to_have_count(0)
    settled(page)
    expect(page.locator(".stAppHeader")).to_be_hidden()
    expect(tiles(page).first).to_be_focused()


def test_digits_open_the_other_pages_presented(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?present=true&match_captions={CAPTIONS}")
    first_tile(page)
    settled(page)
    for entry, number in ((SEARCH, 2), (MATRIX, 3), (MATCH, 1), (MATCH, 1)):
        page.keyboard.press(str(number))
        expect(page.get_by_role("heading", level=1, name=entry.title)).to_be_visible()
        expect(page).to_have_url(re.compile("present=true"))
        expect(page.locator(".stAppHeader")).to_be_hidden()
        settled(page)
        page.wait_for_timeout(500)  # the keys of the new page
    expect(tiles(page).first).to_be_visible()


def test_presenting_is_switched_on_and_off(server: Server, page: Page) -> None:
    page.goto(server.url)
    first_tile(page)
    settled(page)
    switch = page.locator(".st-key-present")
    switch.get_by_text("Present", exact=True).click()
    expect(captions(page)).to_be_hidden()
    expect(page).to_have_url(re.compile("present=true"))
    settled(page)
    switch.get_by_text("Present", exact=True).click()
    expect(captions(page)).to_be_visible()


@pytest.mark.parametrize("address", ["/?match_captions=a+cat", "/search?search_q=a+cat"])
def test_the_link_of_the_page_is_copied(server: Server, page: Page, address: str) -> None:
    page.goto(server.url + address)
    first_tile(page, key="search_grid" if "search" in address else "match_grid")
    settled(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()  # again


def test_paper_has_the_results_without_the_controls(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/?match_captions={CAPTIONS}")
    first_tile(page)
    settled(page)
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", level=1, name="Match")).to_be_visible()
    expect(page.get_by_role("heading", name="a bus")).to_be_visible()
    expect(tiles(page).first).to_be_visible()
    for hidden in (
        page.locator(".stAppHeader"),
        captions(page),
        page.get_by_text("Upload images"),
        page.get_by_role("radio", name="Probability"),
        page.get_by_role("button", name="Copy link"),
        page.get_by_role("button", name="CSV"),
        page.get_by_role("button", name=re.compile("^Show all")),
        page.get_by_role("checkbox", name=re.compile("^Select ")),
    ):
        expect(hidden.first).to_be_hidden()
    page.goto(f"{server.url}/search?search_q=a+cat")
    first_tile(page, key="search_grid")
    settled(page)
    expect(tiles(page, "search_grid").first).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search in words")).to_be_hidden()
