"""Find Chromium, or install it: ``python -m tests.browser.chromium``."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests import debian

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find() -> str | None:
    """Return a Chromium to drive: the system's, else the one that Playwright downloaded."""
    system = next(filter(None, map(shutil.which, NAMES)), None)
    if system:
        return system
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


def install() -> None:
    """Install Chromium: with apt as root on Debian, else Playwright's own download."""
    if debian.can_install():
        debian.install("chromium")
    else:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)


if __name__ == "__main__":
    if not find():
        install()
    if not find():
        sys.exit("Chromium is needed for the browser tests, and could not be installed.")
