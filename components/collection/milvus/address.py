"""Where a Milvus server is, and calls to it that fail in a sentence. No sentence has an address."""

import logging
import os
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.collection.manifest import CollectionError
from components.settings import SettingError, Settings

READ = 5.0  # seconds that a search may take
_CONNECT = 2.0  # seconds within which a server that runs takes a connection
_KEEPALIVE = 60_000  # milliseconds: a server hangs up on two pings within five seconds, and
# pymilvus's ten seconds come that near on a busy computer
_PORT = 19530
_SECURE = {"milvus": False, "http": False, "milvuss": True, "https": True}
_FILE = ".db"
_MISSING, _NO_DATABASE, _NOT_LOADED = 100, 800, (101, 503)  # error codes of Milvus
_REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED")
_ADDRESS = re.compile(r"\S*(?:://|\d\.\d|:\d{2,})\S*")  # what a server's own words may contain


class Gone(CollectionError):  # noqa: N818 - a state of the server
    """A Milvus server that does not answer."""


class NotThere(CollectionError):  # noqa: N818 - a state of the server
    """A Milvus server that does not have what was published."""


@dataclass(frozen=True)
class Address:
    """A server's database, or a file of Milvus Lite."""

    host: str
    port: int
    database: str
    secure: bool
    file: str = ""  # of Milvus Lite

    @property
    def lite(self) -> bool:
        """Whether it is a file, which one process searches exactly and without an index."""
        return bool(self.file)


def is_address(text: str) -> bool:
    """Return whether ``text`` is written as the address of a server, or as a file of Lite."""
    scheme, mark, _ = text.partition("://")
    return scheme.lower() in _SECURE if mark else text.endswith(_FILE)


def parse_address(text: str) -> Address:
    """Return the address in ``text``. Raises SettingError, which does not repeat it."""
    if is_address(text) and "://" not in text:
        return Address("", 0, "", secure=False, file=str(Path(text).expanduser().absolute()))
    try:
        parts = urlsplit(text)
        host, port, database = parts.hostname, parts.port or _PORT, parts.path.strip("/")
        if not is_address(text) or not host or not re.fullmatch(r"\w*", database):
            raise ValueError("of another form")
    except ValueError:
        raise SettingError(
            "The address of the Milvus server is not of the form milvus://HOST:PORT/DATABASE,"
            " milvuss://HOST:PORT/DATABASE or NAME.db."
        ) from None
    if "@" in parts.netloc:
        raise SettingError(
            "The address of the Milvus server has a password in it. Put it as NAME:PASSWORD into"
            " CAPTIONLENS_MILVUS_TOKEN."
        )
    return Address(host, port, database, _SECURE[parts.scheme])


@dataclass(frozen=True)
class Server:
    """A connection to a Milvus server. It is made by the first call, and shared by threads."""

    address: Address
    token: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _clients: list[Any] = field(default_factory=list, repr=False)

    def call(self, method: str, *arguments: Any, timeout: float = READ, **options: Any) -> Any:
        """Return what a method of pymilvus's client answers within ``timeout`` seconds.

        Raises Gone where the server does not answer, NotThere where it does not have a collection,
        and CollectionError.
        """
        self._check_port()
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read at import: its log has addresses
        try:
            import grpc
            from pymilvus.exceptions import MilvusException
        except ImportError:
            raise CollectionError(
                "pymilvus is not installed. Run `pip install -r requirements-scale.txt`."
            ) from None
        failures = (MilvusException, grpc.RpcError, grpc.FutureTimeoutError)
        closed = (grpc.FutureCancelledError, ValueError)  # another thread is connecting again
        try:
            client = self._client()
            return getattr(client, method)(*arguments, timeout=timeout, **options)
        except (*failures, *closed) as error:
            raise _explained(error, self.address.lite) from None  # its text has the address

    def _check_port(self) -> None:
        """Raise Gone where nothing listens: pymilvus would try until its time is over."""
        if self.address.lite:
            return
        with suppress(OSError):
            socket.create_connection((self.address.host, self.address.port), _CONNECT).close()
            return
        raise _gone()

    def _client(self) -> Any:
        with self._lock:
            if not self._clients:
                self._clients.append(_connected(self.address, self.token))
            return self._clients[0]


def _connected(address: Address, token: str) -> Any:
    from pymilvus import MilvusClient

    for name in ("pymilvus", "milvus_lite"):  # their logs have addresses, too
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if address.lite:
        return MilvusClient(address.file, dedicated=True, timeout=_CONNECT)
    scheme = "https" if address.secure else "http"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return MilvusClient(
        f"{scheme}://{host}:{address.port}",
        token=token,
        db_name=address.database,
        dedicated=True,  # pymilvus would share a connection between databases
        timeout=_CONNECT,
        grpc_options={"grpc.keepalive_time_ms": _KEEPALIVE},
    )


def _gone(lite: bool = False) -> Gone:
    if lite:
        return Gone(
            "The file of Milvus Lite cannot be opened. One process at a time can use it: end the"
            " other one, or use a Milvus server."
        )
    return Gone(
        "The Milvus server does not answer. Try again once it runs; whoever runs this app finds its"
        " address in CAPTIONLENS_MILVUS."
    )


def _explained(error: Exception, lite: bool) -> CollectionError:
    """Return the sentence for an error of pymilvus, without any address."""
    code = getattr(error, "code", None)
    code = code() if callable(code) else code
    text = str(error)
    if code == _MISSING:
        return NotThere("The Milvus server does not have this collection.")
    if any(word in f"{code} {text}" for word in _REFUSED) or "auth check" in text:
        return CollectionError(
            "The Milvus server refuses the token. Check CAPTIONLENS_MILVUS_TOKEN."
        )
    if code == _NO_DATABASE:
        return CollectionError(
            "The Milvus server does not have the database that its address names. Create it there,"
            " or name another one."
        )
    if code in _NOT_LOADED:
        return Gone("The Milvus server is still loading this collection. Try again in a moment.")
    if isinstance(code, int) and code > _MISSING:  # an answer; others are of the connection
        reason = _ADDRESS.sub("…", getattr(error, "message", "").split("\n")[0])[:200]
        return CollectionError(f"The Milvus server answers with error {code}: {reason}.")
    return _gone(lite)


@lru_cache(maxsize=4)
def _server(address: Address, token: str) -> Server:
    return Server(address, token)


def connect(text: str) -> Server:
    """Return the connection to an address; the token is a setting. Raises SettingError."""
    if not text:
        raise SettingError(
            "No Milvus server is named. Set CAPTIONLENS_MILVUS to milvus://HOST:PORT/DATABASE."
        )
    return _server(parse_address(text), Settings().milvus_token)
