"""nginx, as docs/nginx.conf configures it, in front of two servers."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.scale import nginx

STREAM = "/_stcore/stream"
UPLOAD = "/_stcore/upload_file/session/file"
MEGABYTE = 1024 * 1024


class _Echo(BaseHTTPRequestHandler):
    """Answers with its port, and the headers of the request as it came from the proxy."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer; a request for a WebSocket gets one."""
        upgraded = self.headers["Upgrade"] == "websocket"
        body = b"" if upgraded else str(self.headers).encode()
        self.send_response(101 if upgraded else 200)
        self.send_header("X-Port", str(self.connection.getsockname()[1]))
        if upgraded:
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def do_PUT(self) -> None:
        """Read the body, then answer."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, MEGABYTE)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Servers:
    """Two servers that tell what reaches them, and nginx before them."""

    def __init__(self, address: str, servers: list[ThreadingHTTPServer]) -> None:
        self.address = urlsplit(address).netloc
        self.ports = [server.server_port for server in servers]
        self._servers = servers

    def stop(self, port: int) -> None:
        """Stop the server of a port."""
        server = self._servers[self.ports.index(port)]
        server.shutdown()
        server.server_close()

    def ask(
        self, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer of the address, and its text."""
        method = "GET" if body is None else "PUT"
        with closing(http.client.HTTPConnection(self.address, timeout=20)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read().decode()

    def port(self, path: str, cookie: str = "") -> int:
        """Return which server answers."""
        return int(self.ask(path, {"Cookie": cookie})[0].headers["X-Port"])

    def connect(self, cookie: str = "") -> tuple[int, str]:
        """Return which server takes a WebSocket, and the cookie that the browser gets."""
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Cookie": cookie}
        answer, _ = self.ask(STREAM, headers)
        assert answer.status == 101
        return int(answer.headers["X-Port"]), answer.headers["Set-Cookie"].partition(";")[0]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    with ExitStack() as stack:
        started = [
            stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Echo)) for _ in range(2)
        ]
        for server in started:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        first, second = (server.server_port for server in started)
        yield Servers(stack.enter_context(nginx.running(tmp_path, (first, second))), started)


def test_everything_of_a_person_reaches_the_server_of_their_websocket(servers: Servers) -> None:
    for _ in range(4):
        port, cookie = servers.connect()
        assert {servers.port(path, cookie) for path in ("/", "/media/x.png", UPLOAD)} == {port}
        assert servers.connect(cookie) == (port, cookie)


def test_a_visitors_cookie_leads_to_no_other_address(servers: Servers) -> None:
    for word in ("evil.example", "127.0.0.1:1", "any", "first", "1;2", ""):
        assert servers.port("/", f"captionlens_server={word}") in servers.ports


@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_server_is_left_out_and_its_people_stay_with_the_other(
    servers: Servers, dead: int
) -> None:
    cookies = dict(servers.connect() for _ in range(4))
    port = servers.ports[dead]
    cookie = cookies[port]
    (other,) = {*servers.ports} - {port}
    servers.stop(port)
    assert [servers.port("/", cookie) for _ in range(6)] == [other] * 6
    assert [servers.port("/") for _ in range(6)] == [other] * 6
    taken, changed = servers.connect(cookie)
    assert taken == other
    assert changed != cookie  # when the first one runs again, uploads still go to the other


def test_the_servers_learn_who_asks_and_nobody_else_can_say_it(servers: Servers) -> None:
    lie = {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"}
    _, came = servers.ask("/", lie)
    headers = dict(line.split(": ", 1) for line in came.strip().splitlines())
    assert headers["Host"] == headers["X-Forwarded-Host"] == servers.address
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert headers["X-Forwarded-Proto"] == "http"
    assert came.count("X-Forwarded-For") == 1


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics/", "//metrics", "/x/../metrics", "/%6detrics", "/_stcore/metrics"],
)
def test_metrics_are_not_passed_on(servers: Servers, path: str) -> None:
    answer, _ = servers.ask(path)
    assert answer.status == 404
    assert "X-Port" not in answer.headers


def test_an_upload_of_64_megabytes_passes_and_a_larger_one_does_not(servers: Servers) -> None:
    port, cookie = servers.connect()
    answer, _ = servers.ask(UPLOAD, {"Cookie": cookie}, bytes(64 * MEGABYTE + 1000))
    assert (answer.status, answer.headers["X-Port"]) == (200, str(port))
    with closing(http.client.HTTPConnection(servers.address, timeout=20)) as connection:
        connection.putrequest("PUT", UPLOAD)  # the size alone is enough to be refused
        connection.putheader("Content-Length", str(66 * MEGABYTE))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_queries_are_in_no_log(servers: Servers, tmp_path: Path) -> None:
    for port in servers.ports:
        servers.stop(port)
    assert servers.ask("/search?search_q=secret")[0].status == 502
    assert "secret" not in (tmp_path / "nginx.log").read_text(encoding="utf-8")
