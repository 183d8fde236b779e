"""What is noted beside a collection's manifest of its state on a Milvus server: `milvus.json`.

A shared place has a copy of it, whose readers search the state that it names. Until a later one is
published there too, that state stays on the server: `shared.json` here says which it is.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from components.collection.filters import Facet
from components.collection.manifest import (
    CollectionError,
    File,
    Manifest,
    manifest_of,
    sealed,
)
from components.files import write_bytes

NOTED = "milvus.json"
SHARED = "shared.json"  # by shared place, the states on the server that its readers search
_FORMAT = 1
Kind = Literal["number", "text", "list", "folder"]


class DamagedNote(CollectionError):  # noqa: N818 - a state of a file, which publishing mends
    """A note that is not what was written."""


@dataclass(frozen=True)
class Column:
    """A column of the metadata, and how an expression names what is kept of it to filter by."""

    name: str
    kind: Kind
    field: str  # of the schema, or a key of the JSON field


@dataclass(frozen=True)
class Publication:
    """A state that was published to a Milvus server. Its address is a setting, and not in here.

    ``manifest`` is a copy of the state's own, with the time of publication as that of its update:
    the folder may have gone on since.
    """

    place: str  # the Milvus collection that holds exactly this state
    columns: tuple[Column, ...]
    facets: tuple[Facet, ...]
    manifest: Manifest

    @property
    def thumbnails(self) -> tuple[File, ...]:
        """The files that readers take from the folder or the shared place."""
        return tuple(shard.thumbnails for shard in self.manifest.shards)


def alias_of(name: str) -> str:
    """Return the name on the server of a collection's newest state: of letters, digits and _.

    The digest tells apart names that look alike without what Milvus does not allow.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    return f"captionlens_{readable}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def read_publication(folder: Path) -> Publication | None:
    """Return a collection's last publication, None where there is none.

    Raises DamagedNote where its file is damaged or of another version, and CollectionError where it
    cannot be read.
    """
    try:
        state = (folder / NOTED).stat()
        return _read(folder, state.st_ino, state.st_mtime_ns)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CollectionError(f"{folder.name} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedNote(
            f"{folder.name} has a damaged {NOTED}. Run `index publish {folder.name}`."
        ) from error


@lru_cache(maxsize=64)
def _read(folder: Path, _file: int, _changed: int) -> Publication:
    """Return the publication in a file that was not replaced since: a page asks on every run."""
    return parse_publication((folder / NOTED).read_bytes())


def parse_publication(text: bytes) -> Publication:
    """Return the publication of a note's JSON.

    Raises ValueError, KeyError, TypeError or AttributeError where it is damaged, or of another
    version.
    """
    data: dict[str, Any] = json.loads(text.decode())
    if data.pop("sha256") != sealed(data) or data["format"] != _FORMAT:
        raise ValueError("not the text that was written")
    return Publication(
        place=data["place"],
        columns=tuple(Column(**column) for column in data["columns"]),
        facets=tuple(
            Facet(each["column"], tuple(each["values"]), tuple(each["counts"]))
            for each in data["facets"]
        ),
        manifest=manifest_of(data["manifest"]),
    )


def write_publication(folder: Path, publication: Publication) -> None:
    """Replace the note of a collection's publication, in one step: readers see the new state."""
    data = {"format": _FORMAT, **asdict(publication)}
    data = json.loads(json.dumps(data))  # tuples become lists, as they are read
    text = json.dumps({**data, "sha256": sealed(data)}, indent=1, ensure_ascii=False)
    write_bytes(folder / NOTED, text.encode())


def files_of_publication(folder: Path) -> frozenset[str]:
    """Return the files that readers of the publication need: its note, and its thumbnails."""
    try:
        publication = read_publication(folder)
    except DamagedNote:
        return frozenset({NOTED})
    if publication is None:
        return frozenset()
    return frozenset({NOTED, *(file.name for file in publication.thumbnails)})


def kept_states(folder: Path) -> dict[str, list[str]]:
    """Return the states on the server that readers of shared places search, by place's digest."""
    try:
        places = json.loads((folder / SHARED).read_text(encoding="utf-8"))
        return {str(place): [*map(str, states)] for place, states in places.items()}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}  # where it is damaged, readers are asked to have it published again


@contextmanager
def sharing(folder: Path, shared_place: str, publication: Publication | None) -> Iterator[None]:
    """Note which state readers of a shared place will search, while its note is replaced there.

    Until that is done they may search the one before: both stay on the server.
    """
    digest = hashlib.sha256(shared_place.encode()).hexdigest()  # an address may be a secret
    places, states = kept_states(folder), [publication.place] if publication else []
    _keep(folder, {**places, digest: [*places.get(digest, []), *states]})
    yield
    _keep(folder, {**places, digest: states})


def _keep(folder: Path, places: dict[str, list[str]]) -> None:
    if places != kept_states(folder):
        write_bytes(folder / SHARED, json.dumps(places, indent=1).encode())
