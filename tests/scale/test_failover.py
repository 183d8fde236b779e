"""Two servers behind nginx, two people in real browsers, and one server that is killed."""

import logging
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, WebSocket, expect

from components.bench import server
from components.collection.manifest import folder_of
from tests.browser.conftest import browser, playwright, pocket_is_prepared
from tests.browser.helpers import SAMPLES, failures, first_tile, settled, tile, tiles, upload
from tests.browser.test_search import GRID, box, label, many
from tests.scale import nginx

__all__ = ["browser", "many", "playwright", "pocket_is_prepared"]  # fixtures
LOG = logging.getLogger(__name__)  # shown by --log-cli-level=INFO
PATIENCE = 60.0  # seconds
FORGOTTEN = 11.0  # seconds after which nginx tries a failed server again
LINK = "search_in=many&search_q=a+dog&search_f_folder=north&search_fold=1.0"


@dataclass
class Person:
    """A browser of their own, with what its page's connections did."""

    page: Page
    opened: list[float] = field(default_factory=list)  # times at which WebSockets were opened
    closed: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("websocket", self._connected)

    def _connected(self, socket: WebSocket) -> None:
        self.opened.append(time.monotonic())
        socket.on("close", lambda _: self.closed.append(time.monotonic()))

    @property
    def server(self) -> str:
        """Which server has this person's session."""
        (named,) = [
            cookie["value"]
            for cookie in self.page.context.cookies()
            if cookie["name"] == "captionlens_server"
        ]
        return named

    def marked(self) -> bool:
        """Return whether the page is still the one that was marked: it was not loaded again."""
        return bool(self.page.evaluate("window.marked === true"))

    def mark(self) -> None:
        """Mark the page."""
        self.page.evaluate("window.marked = true")


class Servers:
    """Two servers with one folder of data, and nginx before them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.ports = server.free_port(), server.free_port()
        self._processes = [self._start(port) for port in self.ports]
        self.url = stack.enter_context(nginx.running(folder, self.ports))

    def _start(self, port: int) -> "subprocess.Popen[bytes]":
        log = self._folder / f"{port}-{time.monotonic_ns()}.log"
        return self._stack.enter_context(server.running(log, port=port))[1]

    def kill(self, name: str) -> float:
        """Kill a server as a crash would; return the time."""
        process = self._processes[int(name) - 1]
        process.kill()
        process.wait(20)
        return time.monotonic()

    def start_again(self, name: str) -> None:
        """Start a killed server at its port."""
        self._processes[int(name) - 1] = self._start(self.ports[int(name) - 1])

    def mend(self) -> None:
        """Start what was killed, and wait until nginx tries it again."""
        dead = [name for name, process in zip("12", self._processes, strict=True) if process.poll()]
        for name in dead:
            self.start_again(name)
        if dead:
            time.sleep(FORGOTTEN)

    def logs(self) -> str:
        """Return what the servers wrote, without what closed pages leave there."""
        return "".join(map(failures, self._folder.glob("*-*.log")))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, many: str) -> Iterator[Servers]:
    with ExitStack() as stack:
        started = Servers(tmp_path_factory.mktemp("servers"), stack)
        yield started
        assert "Traceback" not in started.logs()


@pytest.fixture
def servers(both: Servers) -> Servers:
    both.mend()
    return both


@pytest.fixture
def people(browser: Browser, servers: Servers) -> Iterator[list[Person]]:
    """Two people who have opened Search, each with the cookie of another server."""
    with ExitStack() as stack:
        come = []
        for name in "12":
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
            stack.enter_context(closing(context))
            context.add_cookies([{"name": "captionlens_server", "value": name, "url": servers.url}])
            person = Person(context.new_page())
            person.page.goto(f"{servers.url}/search?{LINK}")
            first_tile(person.page, key=GRID)
            settled(person.page)
            person.page.get_by_role("button", name="Page 2").click()
            _is_second_page(person.page)
            person.mark()
            come.append(person)
        yield come


def _is_second_page(page: Page) -> None:
    """Wait until the page shows the second page of what LINK asks for."""
    settled(page)
    expect(box(page)).to_have_value("a dog")
    expect(tiles(page, GRID).first).to_have_attribute("aria-label", re.compile("^Rank 25 of 40, "))
    expect(tiles(page, GRID)).to_have_count(16)


def test_a_collection_that_one_server_writes_is_busy_on_the_other(
    people: list[Person], many: str
) -> None:
    page = people[0].page
    with FileLock(folder_of(many) / "lock"):
        page.get_by_role("button", name="Collections").click()
        page.get_by_role("button", name="Update").click()
        expect(page.get_by_text(f"{many} is being written by another process")).to_be_visible()


def _is_back(person: Person, killed: float) -> None:
    """Wait until a person whose server was killed has a session elsewhere, and say how long."""
    while not person.opened or person.opened[-1] < killed:
        assert time.monotonic() - killed < PATIENCE, "The browser has not connected again."
        person.page.wait_for_timeout(20)
    settled(person.page)
    connected, drawn = person.opened[-1] - killed, time.monotonic() - killed
    LOG.info("connected %.1f s after the kill, drawn again %.1f s after it", connected, drawn)


def test_a_killed_server_is_noticed_by_its_own_people_only_and_they_are_back_at_once(
    people: list[Person], servers: Servers
) -> None:
    first, second = people
    assert {first.server, second.server} == {"1", "2"}
    before, link = label(first.page), first.page.url
    killed = servers.kill(first.server)
    box(second.page).fill("a tabby cat")
    expect(second.page).to_have_url(re.compile("search_q=a(\\+|%20)tabby(\\+|%20)cat"))
    expect(tiles(second.page, GRID).first).to_have_attribute("aria-label", re.compile("^Rank 1 "))
    assert second.closed == []

    _is_back(first, killed)
    assert first.server == second.server
    _is_second_page(first.page)
    assert (label(first.page), first.page.url) == (before, link)
    with first.page.expect_download() as download:  # from a file of the new session
        first.page.get_by_role("button", name="CSV", exact=True).click()
    assert download.value.failure() is None
    box(first.page).fill("a red bus")
    expect(tiles(first.page, GRID).first).to_have_attribute("aria-label", re.compile("^Rank 1 "))
    expect(first.page).to_have_url(re.compile("search_q=a(\\+|%20)red(\\+|%20)bus"))
    assert all(person.marked() for person in people)  # no page was loaded again


def test_uploads_are_lost_with_their_server_as_the_page_says_and_can_be_made_again(
    people: list[Person], servers: Servers
) -> None:
    person, page = people[0], people[0].page
    page.goto(servers.url)
    upload(page, SAMPLES / "horse.jpg")
    expect(tile(page, "horse.jpg").first).to_be_visible()
    lost, killed = person.server, servers.kill(person.server)
    _is_back(person, killed)
    expect(page.get_by_text("Your uploads were lost with the connection")).to_be_visible()
    expect(page.get_by_test_id("stFileUploaderFile")).to_have_count(0)
    upload(page, SAMPLES / "horse.jpg")
    expect(tile(page, "horse.jpg").first).to_be_visible()
    expect(page.get_by_text("Your uploads were lost with the connection")).to_have_count(0)

    servers.start_again(lost)
    page.wait_for_timeout(FORGOTTEN * 1000)
    upload(page, SAMPLES / "coffee.jpg")  # reaches the session, which is not there
    expect(tile(page, "coffee.jpg").first).to_be_visible()
    assert person.server != lost
