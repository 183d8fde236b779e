"""What a source lists and what a collection has of it, in a file: a million images take no memory.

The file is scratch: it is made anew by every build, and deleted at its end.
"""

import errno
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.collection.compact import Mask
from components.collection.sources.source import Item
from components.collection.store import disk_error
from components.encoder import Skipped

LISTING = "listing.sqlite"
# `stored` has one row for an image: the latest. `part` is the number of a shard or chunk, `place`
# its row there, `before` whether the collection had it when the build began.
_TABLES = """
CREATE TABLE listed (id TEXT PRIMARY KEY, position INTEGER, signature TEXT) WITHOUT ROWID;
CREATE TABLE stored (
    id TEXT PRIMARY KEY, signature TEXT, digest TEXT, part INTEGER, place INTEGER, before INTEGER
) WITHOUT ROWID;
CREATE TABLE failed (id TEXT, signature TEXT, reason TEXT, position INTEGER);
CREATE INDEX failed_id ON failed (id);
CREATE VIEW known AS
    SELECT id, signature FROM stored UNION ALL SELECT id, signature FROM failed;
CREATE VIEW kept AS
    SELECT stored.*, position FROM stored JOIN listed USING (id)
    WHERE id NOT IN (SELECT failed.id FROM failed WHERE failed.signature IS NOT NULL);
-- Of images with the same bytes one stays: one that was there before, then the source's first.
CREATE VIEW copies AS
    SELECT *, id || ' is the same file as ' || first || '.' AS reason FROM (
        SELECT *, first_value(id) OVER (PARTITION BY digest ORDER BY before DESC, position) AS first
        FROM kept
    ) WHERE id <> first;
"""
UNNAMED = "its name is not valid Unicode. Rename it to index it."


class Listing:
    """The images that are listed, stored and failed. Raises CollectionError where the disk fails.

    Images that failed have a signature, and are known like those that are stored: they are not
    tried twice in one build.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / LISTING
        self._file.unlink(missing_ok=True)
        with self._on_disk():
            self._db = sqlite3.connect(self._file)
            # Nothing reads it after a crash: there is nothing to commit, and nothing to undo.
            self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.executescript(_TABLES)

    def read(self, items: Iterable[Item | Skipped], start: int = 0) -> None:
        """Take the list of a source: items, and files that it cannot name or reach."""
        rows = self._rows(enumerate(items, start))
        with self._on_disk():
            self._db.executemany("INSERT OR IGNORE INTO listed VALUES (?, ?, ?)", rows)

    def _rows(self, items: Iterable[tuple[int, Item | Skipped]]) -> Iterator[tuple[str, int, str]]:
        for position, item in items:
            if isinstance(item, Skipped):
                self._fail(item.source.name, None, item.reason, position)
            elif not is_text(item.id):
                self._fail(item.source.name, None, f"{item.source.name}: {UNNAMED}", position)
            else:
                yield item.id, position, item.signature

    def store(self, part: int, table: pa.Table, before: bool) -> None:
        """Take the rows of a shard or chunk, with columns id, signature and digest.

        A chunk's row of an image that has changed since then, or is not listed, is left out.
        """
        columns = (table[name].to_pylist() for name in ("id", "signature", "digest"))
        rows = [
            (*row, part, place, before)
            for place, row in enumerate(zip(*columns, strict=True))
            if before or self._is_listed(row[0], row[1])
        ]
        with self._on_disk():
            self._db.executemany(
                "INSERT INTO stored VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                " (signature, digest, part, place)"
                " = (excluded.signature, excluded.digest, excluded.part, excluded.place)",
                rows,
            )
            if not before:
                self._db.executemany("DELETE FROM failed WHERE id = ?", [row[:1] for row in rows])

    def fail(self, id_: str, signature: str, reason: str) -> None:
        """Take an image that could not be encoded."""
        if self._is_listed(id_, signature) and not self._is_known(id_, signature):
            position = self._value("SELECT position FROM listed WHERE id = ?", id_)
            self._fail(id_, signature, reason, position)

    def _fail(self, id_: str, signature: str | None, reason: str, position: int) -> None:
        self._run("INSERT INTO failed VALUES (?, ?, ?, ?)", id_, signature, reason, position)

    def _is_listed(self, id_: str, signature: str) -> bool:
        return bool(self._value("SELECT signature FROM listed WHERE id = ?", id_) == signature)

    def new(self, items: Iterable[Item | Skipped]) -> Iterator[Item]:
        """Yield the listed items that are neither stored nor failed, as they were listed."""
        for item in items:
            if isinstance(item, Skipped) or not is_text(item.id):
                continue
            signature = self._value("SELECT signature FROM listed WHERE id = ?", item.id)
            if signature is not None and not self._is_known(item.id, signature):
                yield replace(item, signature=signature)

    def take(self, items: Iterable[Item | Skipped]) -> Iterator[Item]:
        """Add to the list what a source finds only now; yield it as `new` does."""
        start, _, _ = self.counts()
        for position, item in enumerate(items, start):
            self.read([item], position)
            yield from self.new([item])

    def is_known(self, item: Item) -> bool:
        """Return whether an item is stored, or failed."""
        return self._is_known(item.id, item.signature)

    def _is_known(self, id_: str, signature: str) -> bool:
        query = "SELECT 1 FROM known WHERE id = ? AND signature = ?"
        return bool(self._value(query, id_, signature))

    def counts(self) -> tuple[int, int, int]:
        """Return how many images are listed, how many of them are known, and how many failed."""
        listed = self._value("SELECT count(*) FROM listed")
        known = self._value("SELECT count(*) FROM listed JOIN known USING (id, signature)")
        return listed, known, self._value("SELECT count(*) FROM failed")

    def drop_copies(self) -> None:
        """Let every image fail whose bytes are those of another one."""
        self._run("INSERT INTO failed SELECT id, signature, reason, position FROM copies")

    def masks(self, rows: list[int]) -> list[Mask]:
        """Return, for parts of so many rows, which of their rows stay."""
        masks = [np.zeros(count, dtype=np.bool_) for count in rows]
        for part, place in self._run("SELECT part, place FROM kept"):
            masks[part][place] = True
        return masks

    def order(self) -> list[int]:
        """Return the parts of which rows stay, in the order of the source."""
        query = "SELECT part FROM kept GROUP BY part ORDER BY min(position)"
        return [part for (part,) in self._run(query)]

    def dropped(self) -> int:
        """Return how many images were there when the build began and do not stay."""
        query = "SELECT count(*) FROM stored WHERE before AND id NOT IN (SELECT id FROM kept)"
        return int(self._value(query))

    def failures(self) -> pa.Table:
        """Return the ids and reasons of the images that failed, in the order of the source."""
        query = "SELECT DISTINCT id, reason FROM failed ORDER BY position, id"
        rows = self._run(query).fetchall()
        names = ("id", "reason")
        return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})

    def _run(self, statement: str, *values: object) -> sqlite3.Cursor:
        with self._on_disk():
            return self._db.execute(statement, values)

    def _value(self, query: str, *values: object) -> Any:
        row = self._run(query, *values).fetchone()
        return row[0] if row else None

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        """Turn SQLite's error into a CollectionError."""
        try:
            yield
        except sqlite3.OperationalError as error:
            full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
            reason = OSError(errno.ENOSPC if full else errno.EIO, "")
            raise disk_error(self._file.parent.name, reason) from error

    def close(self) -> None:
        """Delete the file."""
        self._db.close()
        self._file.unlink(missing_ok=True)


def is_text(name: str) -> bool:
    """Return whether a name is text, not bytes that its file system lets through."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
