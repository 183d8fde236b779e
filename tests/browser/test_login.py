"""People log in at a provider on this computer, with a role each, in a real browser."""

import http.client
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from oidc_provider_mock import User, run_server_in_thread  # type: ignore[import-untyped]  # no stubs
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.helpers import SAMPLES, Screenshot, Server, failures, running, settled, tiles
from tests.browser.test_accessibility import violations

PEOPLE = {
    "viewer": ("Vic@Example.ORG", True),
    "editor": ("ed@example.org", True),
    "admin": ("root@elsewhere.example", "true"),
    "stranger": ("eve@notexample.org", True),
    "unverified": ("new@example.org", False),
}
SECRETS = """
[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "a secret of this test, and of nothing else"
client_id = "captionlens"
client_secret = "any"
server_metadata_url = "http://localhost:{provider}/.well-known/openid-configuration"

[captionlens]
allowed = ["example.org"]
editors = ["ED@example.org"]
admins = ["root@elsewhere.example"]
"""
LogIn = Callable[..., Page]


@pytest.fixture(scope="module")
def provider() -> Iterator[int]:
    """The port of a provider that knows PEOPLE."""
    people = [
        User(sub=name, claims={"email": email, "email_verified": verified})
        for name, (email, verified) in PEOPLE.items()
    ]
    with run_server_in_thread(user_claims=people) as server:
        yield server.server_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder that may be indexed from the page."""
    folder = tmp_path_factory.mktemp("allowed")
    shutil.copy(SAMPLES / "chelsea.jpg", folder)
    return folder


@pytest.fixture(scope="module")
def shared(
    provider: int, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with a login."""
    place = tmp_path_factory.mktemp("shared")
    secrets = place / "secrets.toml"
    secrets.write_text(SECRETS.format(provider=provider))
    settings = {
        "STREAMLIT_SECRETS_FILES": str(secrets),
        "CAPTIONLENS_FOLDERS": str(folder),
        "CAPTIONLENS_DATA": str(place / "data"),
    }
    with running(place / "log", **settings) as started:
        yield started
        assert "Traceback" not in failures(started.log)


@pytest.fixture
def log_in(shared: Server, browser: Browser) -> Iterator[LogIn]:
    """Return a page of a person in a browser of their own, logged in at an address."""
    contexts: list[BrowserContext] = []

    def enter(person: str, path: str = "/models") -> Page:
        contexts.append(browser.new_context(viewport={"width": 1440, "height": 1000}))
        contexts[-1].set_default_timeout(60_000)
        page = contexts[-1].new_page()
        page.goto(shared.url + path)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name=person, exact=True).click()
        return page

    yield enter
    for context in contexts:
        context.close()


def events(server: Server) -> list[dict[str, object]]:
    lines = server.log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"time"')]


def address(person: str) -> re.Pattern[str]:
    """Return how a person's address is shown: an invisible mark keeps it from being a link."""
    return re.compile(re.escape(PEOPLE[person][0]).replace("@", "@."))


def account(page: Page) -> None:
    """Open the person's account."""
    page.get_by_test_id("stPopover").filter(has_text="Account").get_by_role("button").click()


def test_nobody_sees_a_page_before_the_login(
    shared: Server, page: Page, screenshot: Screenshot
) -> None:
    for path in ("/", "/search?search_q=a+cat", "/models", "/train"):
        page.goto(shared.url + path)
        expect(page.get_by_role("button", name="Log in")).to_be_visible()
        expect(page.get_by_role("heading", name="CaptionLens")).to_be_visible()
        expect(page.get_by_role("link", name="Search")).to_have_count(0)
        settled(page)
        assert not tiles(page).count()
    for width, scheme in ((1440, "light"), (390, "light"), (1440, "dark"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        page.wait_for_timeout(500)
        assert violations(page) == []
        screenshot(page, f"login-{scheme}-{width}")


@pytest.mark.parametrize(
    ("person", "role"), [("viewer", "viewer"), ("editor", "editor"), ("admin", "admin")]
)
def test_a_person_has_a_role_and_logs_out(
    shared: Server, log_in: LogIn, screenshot: Screenshot, person: str, role: str
) -> None:
    page = log_in(person)
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()  # the link
    account(page)
    expect(page.get_by_text(f"Role: {role}.")).to_be_visible()
    expect(page.get_by_text(address(person))).to_be_visible()
    shown = expect(page.get_by_role("heading", name="Usage"))
    shown.to_be_visible() if role == "admin" else shown.to_have_count(0)
    screenshot(page, f"account-{role}")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.goto(f"{shared.url}/models")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


@pytest.mark.parametrize(
    ("person", "sentence"),
    [
        ("stranger", "has no access to this server"),
        ("unverified", "is not a verified address"),
    ],
)
def test_who_is_not_listed_is_told_so_and_can_log_out(
    log_in: LogIn, screenshot: Screenshot, person: str, sentence: str
) -> None:
    page = log_in(person)
    expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.get_by_text(address(person))).to_be_visible()
    expect(page.get_by_role("link", name="Search")).to_have_count(0)
    screenshot(page, f"login-{person}")
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_link_is_opened_after_the_login(log_in: LogIn) -> None:
    page = log_in("viewer", "/search?search_q=a+cat")
    expect(page.get_by_role("heading", name="Search", level=1)).to_be_visible()
    expect(page.get_by_role("searchbox", name="Search in words")).to_have_value("a cat")


def test_a_viewer_searches_and_changes_nothing(log_in: LogIn, screenshot: Screenshot) -> None:
    page = log_in("viewer", "/search?search_q=a+cat")
    expect(tiles(page, "search_grid").first).to_be_visible()
    page.get_by_role("button", name="Collections").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Your role is viewer")).to_be_visible()
    for name in ("Update", "Index", "Remove", re.compile("Rebuild")):
        expect(dialog.get_by_role("button", name=name)).to_have_count(0)
    screenshot(page, "viewer-collections")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_text("Your role is viewer: models cannot be trained")).to_be_visible()


def test_an_editor_indexes_an_allowed_folder_and_no_other(log_in: LogIn, folder: Path) -> None:
    page = log_in("editor", "/search")
    for place, sentence in (
        (SAMPLES, "is not in a folder that may be indexed from this page"),
        (folder, "1 image (1 new"),
    ):
        page.get_by_role("button", name="Collections").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("button", name="Update")).to_be_visible()
        expect(dialog.get_by_role("button", name="Remove")).to_have_count(0)
        dialog.get_by_label("Folder on the computer that runs CaptionLens").fill(str(place))
        dialog.get_by_label("Folder on the computer that runs CaptionLens").press("Tab")
        dialog.get_by_role("button", name="Index", exact=True).click()
        expect(page.get_by_text(sentence).first).to_be_visible()
        page.keyboard.press("Escape")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without a login that answers to the name of a proxy."""
    place = tmp_path_factory.mktemp("proxied")
    names = "localhost 127.0.0.1 photos.example.org"
    data = str(place / "data")
    with running(
        place / "log", STREAMLIT_SERVER_ALLOWED_HOSTS=names, CAPTIONLENS_DATA=data
    ) as started:
        yield started
        assert "Traceback" not in failures(started.log)


def test_a_shared_server_without_a_login_says_so(
    proxied: Server, page: Page, screenshot: Screenshot
) -> None:
    start, warning = events(proxied)[:2]
    assert (start["event"], start["login"], start["shared"]) == ("start", False, True)
    assert "no login" in str(warning["message"])
    page.goto(f"{proxied.url}/models")
    said = page.get_by_text("This server has no login")
    expect(said).to_be_visible()
    settled(page)
    screenshot(page, "no-login")
    page.get_by_role("button", name="Close").click()
    expect(said).to_have_count(0)
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_role("heading", name="Train", level=1)).to_be_visible()
    expect(said).to_have_count(0)


def test_a_server_on_loopback_warns_of_nothing(server: Server) -> None:
    """As `make app` starts it."""
    start = events(server)[0]
    assert (start["login"], start["shared"]) == (False, False)
    assert not [event for event in events(server) if event["event"] == "warning"]


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [
        ("/healthz", {}, 200),
        ("/healthz", {"X-Forwarded-For": "192.0.2.7"}, 200),
        ("/metrics", {}, 200),
        ("/_stcore/metrics", {}, 200),
        ("/metrics", {"X-Forwarded-For": "192.0.2.7"}, 404),
        ("/metrics", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("/_stcore/metrics", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("/metrics", {"Host": "photos.example.org"}, 404),
    ],
)
def test_health_is_for_everyone_and_metrics_for_this_computer(
    proxied: Server, path: str, header: dict[str, str], status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(proxied.url).port, timeout=20)
    connection.request("GET", path, headers=header)
    assert connection.getresponse().status == status
    connection.close()


def test_the_log_names_nobody_and_no_query(shared: Server) -> None:
    """Runs last: it reads what the tests above have done."""
    log = shared.log.read_text(encoding="utf-8").lower()
    kinds = [event["event"] for event in events(shared)]
    assert kinds[0] == "start"
    assert {"login", "refused login", "query", "build"} <= set(kinds)
    assert not any(email.lower() in log for email, _ in PEOPLE.values())
    assert "a cat" not in log
    people = {event.get("person") for event in events(shared) if event["event"] == "login"}
    assert len(people) == 3
    clicked = [event for event in events(shared) if event["event"] == "login"]
    assert len(clicked) == 6  # of the tests above: a link that opens another tab is none
