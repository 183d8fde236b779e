"""Fetching: within limits, with retries, never from a private network."""

import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.collection.build import BuildJob, build
from components.collection.sources import remote
from components.collection.sources.addresses import is_public
from components.collection.sources.range_file import RangeFile
from components.collection.sources.remote import Fetcher, RemoteError, shown
from components.collection.sources.source import SourceSpec
from tests.photo_server import PhotoServer, Trouble, jpeg, lite_zip
from tests.raw_server import answers, drips, raw_server
from tests.standin import stand_in

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
def test_private_addresses_are_never_contacted(server: PhotoServer, url: str) -> None:
    port = server.url.rpartition(":")[2]
    with pytest.raises(RemoteError, match=r"was not fetched|cannot be reached"):
        Fetcher(backoff=0.01, tries=0).get(url.format(port=port))
    assert not server.requests


def test_a_name_with_a_private_address_is_refused(
    server: PhotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    with pytest.raises(RemoteError, match=r"photos.example is in a private network"):
        Fetcher().get("http://photos.example/a")


def test_every_hop_of_a_redirect_is_checked(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(server.url.rpartition(":")[2])
    server.troubles["/in"] = Trouble(302, location=f"http://127.0.0.2:{port}/a")
    monkeypatch.delenv("CAPTIONLENS_PRIVATE_ADDRESSES")
    monkeypatch.setattr(remote, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(RemoteError, match=r"127.0.0.2 is in a private network"):
        fetcher.get(f"{server.url}/in")
    assert not server.asked_for("/a")


def test_redirects_are_followed_but_not_for_ever(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/one"] = Trouble(301, location="/two")
    server.troubles["/two"] = Trouble(307, location="/a")
    assert fetcher.get(f"{server.url}/one") == BODY
    server.troubles["/round"] = Trouble(302, location="/round")
    with pytest.raises(RemoteError, match="redirects too often"):
        fetcher.get(f"{server.url}/round")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/a", "gopher://x/1"])
def test_a_redirect_out_of_the_web_is_refused(
    server: PhotoServer, fetcher: Fetcher, target: str
) -> None:
    server.troubles["/out"] = Trouble(302, location=target)
    with pytest.raises(RemoteError, match="is not an http or https address"):
        fetcher.get(f"{server.url}/out")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "data:,x", "a.jpg", "http://"])
def test_only_http_and_https_are_fetched(url: str) -> None:
    with pytest.raises(RemoteError, match="is not an http or https address"):
        Fetcher().get(url)


def test_names_and_passwords_are_neither_sent_nor_shown(fetcher: Fetcher) -> None:
    with pytest.raises(RemoteError) as caught:
        fetcher.get("http://me:secret@example.org/a?token=hidden")
    assert "secret" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_temporary_errors_are_retried(server: PhotoServer, fetcher: Fetcher, status: int) -> None:
    server.troubles["/a"] = Trouble(status, times=2)
    assert fetcher.get(f"{server.url}/a") == BODY
    assert len(server.requests) == 3


def test_permanent_errors_are_not_retried(server: PhotoServer, fetcher: Fetcher) -> None:
    for status in (403, 404, 410):
        server.troubles["/a"] = Trouble(status)
        with pytest.raises(RemoteError, match=f"answered with status {status}"):
            fetcher.get(f"{server.url}/a")
    assert len(server.requests) == 3


def test_it_waits_as_long_as_it_is_asked_to(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/a"] = Trouble(429, retry_after="1", times=1)
    start = time.monotonic()
    assert fetcher.get(f"{server.url}/a") == BODY
    assert time.monotonic() - start >= 1


def test_a_wait_that_a_server_asks_for_is_bounded(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_MAX_PAUSE", 0)
    server.troubles["/a"] = Trouble(503, retry_after="3600", times=1)
    start = time.monotonic()
    assert fetcher.get(f"{server.url}/a") == BODY
    assert time.monotonic() - start < 5


def test_a_truncated_body_is_fetched_again_and_then_reported(
    server: PhotoServer, fetcher: Fetcher
) -> None:
    server.troubles["/a"] = Trouble(cut_after=5000, times=1)
    assert fetcher.get(f"{server.url}/a") == BODY
    server.troubles["/a"] = Trouble(cut_after=5000)
    with pytest.raises(RemoteError, match="ended before it was complete"):
        fetcher.get(f"{server.url}/a")


def test_a_body_above_the_limit_is_refused(server: PhotoServer, fetcher: Fetcher) -> None:
    with pytest.raises(RemoteError, match="is larger than"):
        fetcher.get(f"{server.url}/a", max_bytes=5000)


def test_a_body_that_is_too_slow_is_refused(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SECONDS", 0.3)
    monkeypatch.setattr(remote, "_CHUNK", 1024)
    server.troubles["/a"] = Trouble(pause=0.1)
    with pytest.raises(RemoteError, match="took longer than"):
        fetcher.get(f"{server.url}/a")


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5, 5\r\n\r\nhello",
        OK + b"Content-Length: abc\r\n\r\nhello",
        OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a:b/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 9999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_an_answer_that_makes_no_sense_is_one_sentence(answer: bytes, fetcher: Fetcher) -> None:
    fetcher.tries = 0
    with raw_server(answers(answer)) as url:
        try:
            assert fetcher.get(url) == b"hello"  # what can be understood is
        except RemoteError as error:
            assert "http://127.0.0.1" in str(error)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        OK,
        OK + b"Content-Length: 100000\r\n\r\n",
        OK + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    ],
    ids=["status", "headers", "body", "body without a length", "chunks"],
)
def test_a_dripping_server_is_cut_off(
    head: bytes, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_SECONDS", 0.5)
    begun = time.monotonic()
    with (
        raw_server(drips(head, 0.05)) as url,
        pytest.raises(RemoteError, match="took longer than"),
    ):
        fetcher.get(url)
    assert time.monotonic() - begun < 5  # of ten and more that the socket would wait


@pytest.mark.parametrize("head", [b"", OK + b"Content-Length: 100000\r\n\r\n"])
def test_a_stop_does_not_wait_for_a_server(head: bytes, fetcher: Fetcher) -> None:
    begun = time.monotonic()
    threading.Timer(0.3, fetcher.stop.set).start()
    with raw_server(drips(head, 0.05)) as url, pytest.raises(RemoteError, match="was stopped"):
        fetcher.get(url)
    assert time.monotonic() - begun < 5


def test_a_stop_does_not_wait_as_long_as_a_server_asks(fetcher: Fetcher) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"
    begun = time.monotonic()
    threading.Timer(0.3, fetcher.stop.set).start()
    with raw_server(answers(busy)) as url, pytest.raises(RemoteError, match="was stopped"):
        fetcher.get(url)
    assert time.monotonic() - begun < 5


def test_a_stop_does_not_wait_for_a_connection(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than the queue holds
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(place)
        threading.Timer(0.3, fetcher.stop.set).start()
        begun = time.monotonic()
        with pytest.raises(RemoteError, match="was stopped"):
            fetcher.get(f"http://127.0.0.1:{place[1]}/a")
        assert time.monotonic() - begun < 5
        for each in waiting:
            each.close()


def test_unreachable_hosts(fetcher: Fetcher) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a"
        with pytest.raises(RemoteError, match="cannot be reached"):
            fetcher.get(url)
    with pytest.raises(RemoteError, match=r"the host nowhere\.invalid was not found"):
        fetcher.get("http://nowhere.invalid/a")


def test_requests_are_spaced(server: PhotoServer, fetcher: Fetcher) -> None:
    spaced = Fetcher(rate=50)
    start = time.monotonic()
    for _ in range(11):
        spaced.get(f"{server.url}/b")
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
        ("192.0.0.192", False),
        ("fec0::1", False),
        ("64:ff9b:1::808:808", False),
        ("::127.0.0.1", False),
        ("::8.8.8.8", True),
        ("3fff::1", False),
        ("5f00::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_an_address_is_shown_short_and_plain() -> None:
    assert shown("https://a.org/b/c.jpg?key=1#x") == "https://a.org/b/c.jpg"
    assert len(shown("https://a.org/" + "x" * 500)) <= 101
    assert "\n" not in shown("nonsense\nwith lines")


def test_a_zip_is_read_by_ranges(server: PhotoServer, fetcher: Fetcher) -> None:
    noise = b"".join(bytes([n % 251, n % 7, n % 13]) for n in range(2_000_000))
    server.files["/zip"] = lite_zip({"large.bin": noise, "small.txt": "hello"})
    with zipfile.ZipFile(RangeFile(f"{server.url}/zip", fetcher)) as archive:
        assert archive.read("small.txt") == b"hello"
        assert archive.read("large.bin") == noise
        assert archive.testzip() is None


def test_a_truncated_range_is_fetched_again(server: PhotoServer, fetcher: Fetcher) -> None:
    server.troubles["/a"] = Trouble(cut_after=100, times=1)
    assert RangeFile(f"{server.url}/a", fetcher).read() == BODY


def test_a_server_without_ranges_is_reported(server: PhotoServer, fetcher: Fetcher) -> None:
    server.ranges = False
    with pytest.raises(RemoteError, match="does not support ranges"):
        RangeFile(f"{server.url}/a", fetcher)


def test_a_file_that_changes_meanwhile_is_reported(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.collection.sources.range_file._BLOCK", 1000)
    file = RangeFile(f"{server.url}/a", fetcher)
    assert file.read(1000) == BODY[:1000]
    server.etag = '"two"'
    with pytest.raises(RemoteError, match="changed while it was read"):
        file.read(1000)


def test_memory_and_requests_of_a_ranged_file_are_bounded(
    server: PhotoServer, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.collection.sources.range_file._BLOCK", 1000)
    file = RangeFile(f"{server.url}/a", fetcher)
    server.requests.clear()
    assert file.read() == BODY  # in eleven blocks
    assert [request.range for request in server.requests[:2]] == [(0, 999), (1000, 1999)]
    assert len(server.requests) == 11
    file.seek(-10, 2)
    assert file.read(99) == BODY[-10:]
    file.seek(3500)
    assert file.read(10) == BODY[3500:3510]
    assert len(server.requests) == 11  # the last eight blocks are kept
    file.seek(0)
    file.read(1)
    assert len(server.requests) == 12  # the first one is not


def _table_of(folder: Path, *addresses: str) -> BuildJob:
    table = folder / "urls.csv"
    table.write_text("\n".join(["image", *addresses]))
    return BuildJob("urls", SourceSpec("table", str(table)))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_PRIVATE_ADDRESSES", "1")
    monkeypatch.setenv("CAPTIONLENS_DATA", str(tmp_path / "data"))


@pytest.mark.usefixtures("data")
def test_one_bad_server_costs_its_own_image_alone(tmp_path: Path) -> None:
    bad = b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n"
    with PhotoServer({"/1": jpeg(1), "/2": jpeg(2)}) as server, raw_server(answers(bad)) as other:
        job = _table_of(tmp_path, f"{server.url}/1", f"{other}/x", f"{server.url}/2")
        report = build(job, stand_in())
    assert (report.added, report.skipped) == (2, 1)


@pytest.mark.usefixtures("data")
def test_a_stopped_build_waits_for_no_server_and_skips_nothing(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with PhotoServer({"/1": jpeg(1)}) as server, raw_server(drips(OK, 0.05)) as slow:
        job = _table_of(tmp_path, f"{server.url}/1", *(f"{slow}/{n}" for n in range(40)))
        report = build(job, stand_in(), stop=stop)
    assert time.monotonic() - begun < 10
    assert report.skipped == 0
    assert not report.manifest.complete
