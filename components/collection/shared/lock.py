"""A lock of a collection in a shared place: one computer publishes it at a time.

PLACE/NAME/publishing.json says who publishes and until when. It is renewed while that goes on: one
that a killed process left behind ends by itself, and does not hinder the computer that wrote it.
Two computers' clocks may differ by less than it lasts.
"""

import json
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from components.collection.manifest import CollectionError
from components.collection.shared.place import Place, reaching
from components.collection.store import CollectionBusy

LOCK = "publishing.json"
_LASTS = 120.0  # seconds
_RENEWED = 20.0  # seconds between two renewals


@dataclass(frozen=True)
class _Holder:
    """Who holds a lock: ``token`` is that of one publication, ``owner`` of a folder here."""

    token: str
    owner: str
    host: str
    until: float  # seconds since 1970

    def text(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class PublishingLock:
    """A lock that is held. `check` raises CollectionError where another computer took it over."""

    def __init__(self, place: Place, name: str, folder: Path) -> None:
        self.place, self._name = place, name
        self._holder = _Holder(secrets.token_hex(16), _owner(folder), socket.gethostname(), 0.0)

    def take(self) -> None:
        """Take the lock. Raises CollectionBusy where another computer has it."""
        self._check_free()
        try:
            self.place.create(self._renewed(), self._name, LOCK)
        except FileExistsError:
            self._check_free()
            self.place.write(self._renewed(), self._name, LOCK)
        self.check()

    def _check_free(self) -> None:
        other, now = self._read(), time.time()
        if other and other.owner != self._holder.owner and now < other.until < now + 2 * _LASTS:
            raise self._busy(other) from None  # a later end would be that of a wrong clock

    def _renewed(self) -> bytes:
        self._holder = replace(self._holder, until=time.time() + _LASTS)
        return self._holder.text()

    def _read(self) -> _Holder | None:
        """Return the holder of a lock, None where there is none or it is half written."""
        with suppress(FileNotFoundError, ValueError, TypeError):
            holder = _Holder(**json.loads(self.place.read(self._name, LOCK)))
            return replace(holder, host=str(holder.host)[:60], until=float(holder.until))
        return None

    def _busy(self, other: _Holder) -> CollectionBusy:
        until = datetime.fromtimestamp(other.until, UTC)
        return CollectionBusy(
            f"{self._name} is being published to {self.place.shown} by {other.host!r}. Wait until"
            f" it has finished; if it was stopped, publish again after {until:%H:%M:%S} UTC."
        )

    def check(self) -> None:
        """Renew the lock: for some time from now on, nobody else publishes."""
        holder = self._read()
        if holder is None or holder.token != self._holder.token:
            raise CollectionError(
                f"{self._name} is being published to {self.place.shown} by another computer. This"
                " computer could not renew its lock for some minutes, and lost it. Publish again"
                " when the other computer has finished."
            )
        self.place.write(self._renewed(), self._name, LOCK)

    def release(self) -> None:
        """Remove the lock, unless another computer took it over."""
        holder = self._read()
        if holder and holder.token == self._holder.token:
            self.place.remove(self._name, LOCK)


def _owner(folder: Path) -> str:
    """Return an identifier of a folder on this computer; a copy elsewhere has another one."""
    return sha256(
        f"{uuid.getnode()} {socket.gethostname()} {folder.resolve()}".encode()
    ).hexdigest()


@contextmanager
def publishing(place: Place, name: str, folder: Path) -> Iterator[PublishingLock]:
    """Hold a collection's lock in a place; ``folder`` is the collection's here, which is locked.

    Raises CollectionBusy where another computer publishes it there.
    """
    lock, ended = PublishingLock(place, name, folder), threading.Event()
    lock.take()

    def renew() -> None:
        while not ended.wait(_RENEWED):
            with suppress(CollectionError), reaching(name):  # the check before the switch says it
                lock.check()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        ended.set()
        thread.join()
        with suppress(CollectionError), reaching(name):
            lock.release()
