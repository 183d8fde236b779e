"""A link to any page works as the very first request to a freshly started server."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from components.ui.setup import PAGES, PageEntry
from tests.browser.helpers import running


@pytest.mark.parametrize("entry", PAGES, ids=lambda entry: entry.path)
def test_a_deep_link_to_a_fresh_server(entry: PageEntry, page: Page, tmp_path: Path) -> None:
    with running(tmp_path / "log") as server:
        page.goto(f"{server.url}/{'' if entry.first else entry.path}")
        expect(page.get_by_role("heading", level=1, name=entry.title)).to_be_visible()
        for other in PAGES:  # the navigation is there too
            expect(page.get_by_role("link", name=other.title).first).to_be_visible()
        expect(page.get_by_text("Page not found")).to_have_count(0)
