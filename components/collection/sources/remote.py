"""Bytes from addresses that strangers wrote: politely, within limits, never from inside the net.

A name is resolved once, every address is checked, and the connection goes to the address that was
checked, for redirects too: a name that answers differently the second time gains nothing.
"""

import io
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError
from urllib3.util import Retry, Timeout

from components.images import ImageError
from components.settings import Settings

_MOST_BYTES = 50_000_000
_SECONDS = 60.0  # a whole download may take, however slowly it drips
_PATIENCE = Timeout(connect=10.0, read=10.0)
_CHUNK = 1 << 16
_MAY_PASS = (429, 500, 502, 503, 504)
_LONGEST_PAUSE = 30  # seconds, whatever a server asks for
_EMBEDDED = (  # IPv6 addresses that stand for an IPv4 one, and where in them it is
    (ipaddress.ip_network("64:ff9b::/96"), 0),
    (ipaddress.ip_network("2002::/16"), 80),
)


class RemoteError(ImageError):
    """Something that could not be fetched: the sentence names its address and says why."""


class _Refused(HTTPError):  # noqa: N818 - ours alone, never seen by name
    """An address that may not be asked."""


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        for network, shift in _EMBEDDED:
            if ip in network:
                return is_public(str(ipaddress.IPv4Address((int(ip) >> shift) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


class _Guarded:
    """Connects to public addresses alone; mixed into urllib3's connections."""

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        host = str(connection._dns_host)
        error: OSError | None = None
        for family, kind, protocol, _, place in _resolved(host, connection.port):
            if not Settings().private_addresses and not is_public(str(place[0])):
                raise _Refused(f"{host} is inside a private network")
            try:
                sock = socket.socket(family, kind, protocol)
                sock.settimeout(_PATIENCE.connect_timeout)  # type: ignore[arg-type]
                sock.connect(place)
                return sock
            except OSError as failure:
                error = failure
        raise NewConnectionError(connection, f"{host} does not answer: {error}")


def _resolved(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Refused(f"there is no {host}") from error


class _Http(_Guarded, HTTPConnection):
    pass


class _Https(_Guarded, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class _SameOrSafer(Retry):
    """Tries again what may pass, with growing pauses; follows no redirect from https to http."""

    def get_retry_after(self, response: Any) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, _LONGEST_PAUSE)


@dataclass
class Fetcher:
    """Downloads over at most eight connections and ``rate`` requests a second; thread-safe."""

    rate: float = 20.0
    backoff: float = 0.5  # seconds before the second try; doubles with each further one
    tries: int = 3  # further ones
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = urllib3.PoolManager(
            num_pools=8, maxsize=8, block=True, headers={"User-Agent": "CaptionLens"}
        )
        self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def get(self, url: str, most_bytes: int = _MOST_BYTES) -> bytes:
        """Return what an http(s) address holds. Raises RemoteError."""
        for left in range(self.tries, -1, -1):
            try:
                return self._get(url, most_bytes)
            except (urllib3.exceptions.IncompleteRead, urllib3.exceptions.ProtocolError) as error:
                if not left:  # cut off while it was read: a retry of urllib3's ends before that
                    raise RemoteError(f"{shown(url)} breaks off before its end.") from error
                time.sleep(self.backoff * 2 ** (self.tries - left))
            except HTTPError as error:
                raise RemoteError(_sentence(url, error)) from error
        raise AssertionError("unreachable")  # pragma: no cover

    def _get(self, url: str, most_bytes: int) -> bytes:
        deadline = time.monotonic() + _SECONDS
        response = self.ask(url)
        try:
            if int(response.headers.get("Content-Length") or 0) > most_bytes:
                raise RemoteError(f"{shown(url)} is larger than {most_bytes // 1_000_000} MB.")
            found = io.BytesIO()
            for chunk in response.stream(_CHUNK):
                found.write(chunk)
                if found.tell() > most_bytes:
                    raise RemoteError(f"{shown(url)} is larger than {most_bytes // 1_000_000} MB.")
                if time.monotonic() > deadline:
                    raise RemoteError(f"{shown(url)} takes longer than {_SECONDS:.0f} s.")
            return found.getvalue()
        finally:
            response.close()  # a body that was not read to its end cannot be gone on with
            response.release_conn()

    def ask(self, url: str, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """Return an answer of status 200 or 206, its body unread. Raises RemoteError."""
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
                    timeout=_PATIENCE,
                    retries=_SameOrSafer(
                        self.tries,
                        redirect=False,
                        status_forcelist=_MAY_PASS,
                        backoff_factor=self.backoff,
                        backoff_max=_LONGEST_PAUSE,
                        raise_on_status=False,
                    ),
                )
            except LocationParseError as error:
                raise RemoteError(f"{shown(url)} is no address.") from error
            except HTTPError as error:
                raise RemoteError(_sentence(url, error)) from error
            if response.status in (200, 206):
                return response
            response.drain_conn()
            target = response.get_redirect_location()
            if not target:
                raise RemoteError(f"{shown(url)} answers {response.status}.")
            url = _followed(url, target)
        raise RemoteError(f"{shown(url)} leads in circles.")

    def _wait(self) -> None:
        """Wait for this request's turn."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + 1 / self.rate
        time.sleep(max(0.0, turn - time.monotonic()))


def _followed(url: str, target: str) -> str:
    from urllib.parse import urljoin

    following = urljoin(url, target)
    if url.startswith("https:") and not following.startswith("https:"):
        raise RemoteError(f"{shown(url)} leads to an address without encryption.")
    return following


def _check(url: str) -> None:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise RemoteError(f"{shown(url)} is no http or https address.")
    if parts.username or parts.password:
        raise RemoteError(f"{shown(url)} holds a name or password: it is not sent.")


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return None
    return parts


def shown(url: str) -> str:
    """Return an address as a sentence may show it: without names, passwords and queries."""
    parts = _split(url)
    text = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts and parts.hostname else url
    visible = "".join(mark for mark in text if mark.isprintable())
    return visible if len(visible) <= 100 else f"{visible[:60]}…{visible[-39:]}"


def _sentence(url: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _Refused):
            return f"{shown(url)} is not fetched: {cause}."
        cause = getattr(cause, "reason", None) if hasattr(cause, "reason") else cause.__cause__
        if not isinstance(cause, BaseException):
            break
    return f"{shown(url)} cannot be reached."
