"""Fetches untrusted URLs: rate- and size-limited, never from a private network.

A host name is resolved once and its addresses are checked; the connection goes to an address that
was checked, for redirects too, so that a name which resolves differently later gains nothing.
"""

import io
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError
from urllib3.util import Retry, Timeout

from components.collection.sources.addresses import is_public
from components.collection.sources.watch import CutOff, current, watched
from components.images import ImageError
from components.settings import Settings

_MAX_BYTES = 50_000_000
_SECONDS = 60.0  # limit of a request, from connecting to the last byte, however slow the server
_CONNECT = 10.0  # seconds
_TIMEOUT = Timeout(connect=_CONNECT, read=10.0)
_CHUNK = 1 << 16
_TEMPORARY = (429, 500, 502, 503, 504)
_MAX_PAUSE = 30  # seconds before a retry, even where Retry-After asks for more


class RemoteError(ImageError):
    """A URL that could not be fetched; the sentence names it and says why."""


class _Refused(HTTPError):  # noqa: N818 - internal
    """A host that must not be connected to."""


class _Guarded:
    """Connects only to public addresses, under the thread's watch; for urllib3's connections."""

    def request(self, *arguments: Any, **options: Any) -> None:
        watch, connected = current(), getattr(self, "sock", None)
        watch.begin()
        if connected:
            watch.hold(connected)
        super().request(*arguments, **options)  # type: ignore[misc] # of urllib3's connection

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        host = str(connection._dns_host)
        error: OSError | None = None
        watch = current()
        for family, kind, protocol, _, place in _resolved(host, connection.port):
            if not Settings().private_addresses and not is_public(str(place[0])):
                raise _Refused(f"{host} is in a private network")
            sock = socket.socket(family, kind, protocol)
            try:
                watch.connect(sock, place, _CONNECT)
            except OSError as failure:
                sock.close()
                error = failure
                continue
            watch.hold(sock)
            return sock
        raise NewConnectionError(connection, f"{host} did not answer: {error}")


def _resolved(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Refused(f"the host {host} was not found") from error


class _Http(_Guarded, HTTPConnection):
    pass


class _Https(_Guarded, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _Retry(Retry):
    """Waits before each retry, but no longer than until the thread's download is stopped."""

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        asked = self.get_retry_after(response) if response else None
        current().stop.wait(asked or self.get_backoff_time())


@dataclass
class Fetcher:
    """Downloads over at most eight connections and ``rate`` requests a second; thread-safe."""

    rate: float = 20.0
    backoff: float = 0.5  # seconds before the second try; doubles with each further one
    tries: int = 3  # after the first
    stop: threading.Event = field(default_factory=threading.Event)  # ends every download when set
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=8, maxsize=8, block=True, headers={"User-Agent": "CaptionLens"}
        )
        self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def get(self, url: str, max_bytes: int = _MAX_BYTES) -> bytes:
        """Return the body of an http(s) URL. Raises RemoteError."""
        return self.retried(url, lambda: self._get(url, max_bytes))

    def retried(self, url: str, read: Callable[[], bytes]) -> bytes:
        """Return what ``read``, which calls `open`, reads of a URL, and repeat it where it is cut.

        urllib3 retries only before the body. Each try has a limited time, and ``stop`` ends it.
        Raises RemoteError.
        """
        for left in range(self.tries, -1, -1):
            try:
                with watched(_SECONDS, self.stop) as watch:
                    body = read()
                    watch.check()  # a body of unknown length ends where it was cut off
                    return body
            except HTTPError as error:
                if watch.reason:
                    raise RemoteError(f"{shown(url)} {watch.reason}.") from error
                if not left:
                    raise RemoteError(f"{shown(url)} ended before it was complete.") from error
                self.stop.wait(self.backoff * 2 ** (self.tries - left))
        raise AssertionError("unreachable")  # pragma: no cover

    def _get(self, url: str, max_bytes: int) -> bytes:
        response = self.open(url)
        try:
            body = io.BytesIO()
            for chunk in response.stream(_CHUNK):
                body.write(chunk)
                if max(body.tell(), response.length_remaining or 0) > max_bytes:
                    raise RemoteError(f"{shown(url)} is larger than {max_bytes // 1_000_000} MB.")
            return body.getvalue()
        finally:
            response.close()  # a connection with an unread body cannot be reused
            response.release_conn()

    def open(self, url: str, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """Return a response of status 200 or 206, its body unread. Raises RemoteError.

        Called within `retried`, whose watch every connection reports to.
        """
        for _ in range(6):
            _check(url)
            self._wait()
            try:
                response = self._pool.request(
                    "GET",
                    url,
                    headers={"User-Agent": "CaptionLens", **(headers or {})},
                    preload_content=False,
                    redirect=False,
                    timeout=_TIMEOUT,
                    retries=_Retry(
                        self.tries,
                        redirect=False,
                        status_forcelist=_TEMPORARY,
                        backoff_factor=self.backoff,
                        backoff_max=_MAX_PAUSE,
                        retry_after_max=_MAX_PAUSE,
                        raise_on_status=False,
                    ),
                )
            except LocationParseError as error:
                raise RemoteError(f"{shown(url)} is not a valid address.") from error
            except HTTPError as error:
                raise RemoteError(_explained(url, error)) from error
            except ValueError as error:  # a header that says no number, or one of 5,000 digits
                raise RemoteError(f"{shown(url)} sent an invalid response.") from error
            if response.status in (200, 206):
                return response
            response.drain_conn()
            location = response.get_redirect_location()
            if not location:
                raise RemoteError(f"{shown(url)} answered with status {response.status}.")
            url = _redirected(url, location)
        raise RemoteError(f"{shown(url)} redirects too often.")

    def _wait(self) -> None:
        """Wait for this request's turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + 1 / self.rate
        self.stop.wait(max(0.0, turn - time.monotonic()))


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        urlsplit(target).port  # noqa: B018 - raises where it is not a number
    except ValueError as error:
        raise RemoteError(f"{shown(url)} redirects to an invalid address.") from error
    if url.startswith("https:") and not target.startswith("https:"):
        raise RemoteError(f"{shown(url)} redirects to an unencrypted address.")
    return target


def _check(url: str) -> None:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError(f"{shown(url)} is not an http or https address.")
    if parts.username or parts.password:
        raise RemoteError(f"{shown(url)} contains a user name or password, which are never sent.")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is not a number
    except ValueError:
        return None
    return parts


def shown(url: str) -> str:
    """Return a URL as messages show it: without user name, password and query, shortened."""
    parts = _split(url)
    text = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts and parts.hostname else url
    visible = "".join(mark for mark in text if mark.isprintable())
    return visible if len(visible) <= 100 else f"{visible[:60]}…{visible[-39:]}"


def _explained(url: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Refused):
            return f"{shown(url)} was not fetched: {cause}."
        if isinstance(cause, CutOff):
            return f"{shown(url)} {cause}."
        cause = getattr(cause, "reason", None) if hasattr(cause, "reason") else cause.__cause__
        if not isinstance(cause, BaseException):
            break
    return f"{shown(url)} cannot be reached."
