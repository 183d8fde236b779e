"""The app's menu, at the top right, in a real browser."""

from playwright.sync_api import Page, expect

from components.version import version
from tests.browser.helpers import Server, settled


def test_the_menu_shows_the_version_and_nothing_for_developers(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/models")
    settled(page)
    page.get_by_test_id("stMainMenu").get_by_role("button").click()
    menu = page.get_by_test_id("stMainMenuPopover")
    expect(menu).to_be_visible()
    for entry in ("Rerun", "Clear cache", "Deploy", "Developer options"):
        expect(menu.get_by_text(entry)).to_have_count(0)
    menu.get_by_text("About").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"CaptionLens {version()}")
