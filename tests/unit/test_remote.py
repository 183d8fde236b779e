"""Fetching: within limits, patient with what may pass, never from inside the net."""

import socket
import time
import zipfile
from collections.abc import Iterator

import pytest

from components.collection.sources import remote
from components.collection.sources.range_file import RangeFile
from components.collection.sources.remote import Fetcher, RemoteError, is_public, shown
from tests.photo_server import PhotoServer, Trouble, lite_zip

BODY = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[PhotoServer]:
    with PhotoServer({"/a": BODY, "/b": b"b"}) as running:
        yield running


@pytest.fixture
def fetcher(monkeypatch: pytest.MonkeyPatch) -> Fetcher:
    monkeypatch.setenv("CAPTIONLENS_PRIVATE_ADDRESSES", "1")
    return Fetcher(rate=1000, backoff=0.01)


def test_it_gets_what_is_there(server: PhotoServer, fetcher: Fetcher) -> None:
    assert fetcher.get(f"{server.url}/a") == BODY


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a",
        "http://localhost:{port}/a",
        "http://[::1]:{port}/a",
        "http://0.0.0.0:{port}/a",
        "http://2130706433:{port}/a",
        "http://0x7f000001:{port}/a",
        "http://127.1:{port}/a",
        "http://[::ffff:127.0.0.1]:{port}/a",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/a",
        "http://192.168.1.1/a",
        "http://[fe80::1]/a",
        "http://[64:ff9b::7f00:1]/a",
        "http://[2002:7f00:1::]/a",
    ],
)
def test_what_is_inside_the_net_is_never_asked(server: PhotoServer, url: str) -> None:
    port = server.url.rpartition(":")[2]
    with pytest.raises(RemoteError, match=r"is not fetched|cannot be reached"):
        Fetcher(backoff=0.01, tries=0).get(url.format(port=port))
    assert not server.requests


def test_a_name_that_leads_inside_is_refused(
    server: PhotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    with pytest.raises(RemoteError, match=r"photos.example is inside a private network"):
        Fetcher().get("http://photos.example/a")


def test_every_hop_of_a_redirect_is_checked(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    server.troubles["/in"] = Trouble(302, location=f"http://127.0.0.2:{port}/a")
    monkeypatch.delenv("CAPTIONLENS_PRIVATE_ADDRESSES")
    monkeypatch.setattr(remote, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(RemoteError, match=r"127.0.0.2 is inside a private network"):
        fetcher.get(f"{server.url}/in")
    assert not server.asked_for("/a")


def test_redirects_are_followed_but_not_for_ever(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/one"] = Trouble(301, location="/two")
    server.troubles["/two"] = Trouble(307, location="/a")
    assert fetcher.get(f"{server.url}/one") == BODY
    server.troubles["/round"] = Trouble(302, location="/round")
    with pytest.raises(RemoteError, match="leads in circles"):
        fetcher.get(f"{server.url}/round")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/a", "gopher://x/1"])
def test_a_redirect_out_of_the_web_is_refused(
    server: PhotoServer, fetcher: Fetcher, target: str
) -> None:
    server.troubles["/out"] = Trouble(302, location=target)
    with pytest.raises(RemoteError, match="is no http or https address"):
        fetcher.get(f"{server.url}/out")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "data:,x", "a.jpg", "http://"])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(RemoteError, match="is no http or https address"):
        Fetcher().get(url)


def test_names_and_passwords_are_neither_sent_nor_shown(fetcher: Fetcher) -> None:
    with pytest.raises(RemoteError) as caught:
        fetcher.get("http://me:secret@example.org/a?token=hidden")
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(server: PhotoServer, fetcher: Fetcher, status: int) -> None:
    server.troubles["/a"] = Trouble(status, times=2)
    assert fetcher.get(f"{server.url}/a") == BODY
    assert len(server.requests) == 3


def test_what_will_not_pass_is_not(server: PhotoServer, fetcher: Fetcher) -> None:
    for status in (403, 404, 410):
        server.troubles["/a"] = Trouble(status)
        with pytest.raises(RemoteError, match=f"answers {status}"):
            fetcher.get(f"{server.url}/a")
    assert len(server.requests) == 3


def test_it_waits_as_long_as_it_is_asked_to(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/a"] = Trouble(429, retry_after="1", times=1)
    start = time.monotonic()
    assert fetcher.get(f"{server.url}/a") == BODY
    assert time.monotonic() - start >= 1


def test_a_body_cut_off_is_fetched_again_and_then_told(
    server: PhotoServer, fetcher: Fetcher
) -> None:
    server.troubles["/a"] = Trouble(cut_after=5000, times=1)
    assert fetcher.get(f"{server.url}/a") == BODY
    server.troubles["/a"] = Trouble(cut_after=5000)
    with pytest.raises(RemoteError, match="breaks off before its end"):
        fetcher.get(f"{server.url}/a")


def test_a_body_above_the_limit_is_left(server: PhotoServer, fetcher: Fetcher) -> None:
    with pytest.raises(RemoteError, match="is larger than"):
        fetcher.get(f"{server.url}/a", most_bytes=5000)


def test_a_body_that_drips_is_left(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SECONDS", 0.3)
    monkeypatch.setattr(remote, "_CHUNK", 1024)
    server.troubles["/a"] = Trouble(pause=0.1)
    with pytest.raises(RemoteError, match="takes longer than"):
        fetcher.get(f"{server.url}/a")


def test_nobody_at_home(fetcher: Fetcher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(RemoteError, match="cannot be reached"):
            fetcher.get(url)
    with pytest.raises(RemoteError, match=r"there is no nowhere\.invalid"):
        fetcher.get("http://nowhere.invalid/a")


def test_the_rate_is_polite(server: PhotoServer, fetcher: Fetcher) -> None:
    polite = Fetcher(rate=50)
    start = time.monotonic()
    for _ in range(11):
        polite.get(f"{server.url}/b")
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("240.0.0.1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("64:ff9b::8.8.8.8", True),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_an_address_is_shown_short_and_plain() -> None:
    assert shown("https://a.org/b/c.jpg?key=1#x") == "https://a.org/b/c.jpg"
    assert len(shown("https://a.org/" + "x" * 500)) <= 101
    assert "\n" not in shown("nonsense\nwith lines")


def test_a_zip_is_read_in_pieces(server: PhotoServer, fetcher: Fetcher) -> None:
    noise = b"".join(bytes([n % 251, n % 7, n % 13]) for n in range(2_000_000))
    server.files["/zip"] = lite_zip({"large.bin": noise, "small.txt": "hello"})
    with zipfile.ZipFile(RangeFile(f"{server.url}/zip", fetcher)) as archive:
        assert archive.read("small.txt") == b"hello"
        assert archive.read("large.bin") == noise
        assert archive.testzip() is None


def test_pieces_survive_trouble(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/a"] = Trouble(cut_after=100, times=1)
    assert RangeFile(f"{server.url}/a", fetcher).read() == BODY


def test_a_server_without_pieces_is_told(server: PhotoServer, fetcher: Fetcher) -> None:
    server.ranges = False
    with pytest.raises(RemoteError, match="cannot be read in pieces"):
        RangeFile(f"{server.url}/a", fetcher)


def test_a_file_that_changes_meanwhile_is_told(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.collection.sources.range_file._BLOCK", 1000)
    file = RangeFile(f"{server.url}/a", fetcher)
    assert file.read(1000) == BODY[:1000]
    server.etag = '"two"'
    with pytest.raises(RemoteError, match="changed while it was read"):
        file.read(1000)
