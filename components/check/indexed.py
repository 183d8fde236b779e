"""A captioned dataset through a collection: images encoded once, captions once, all resumable."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.check.caption_set import CaptionSet
from components.check.check import check
from components.check.checked import Checked
from components.check.findings.captions import caption_findings
from components.check.findings.duplicates import duplicate_findings, twins
from components.check.findings.finding import Finding
from components.check.findings.images import image_facts, image_findings, unreadable
from components.collection.manifest import CHECK
from components.collection.store import FolderCollection
from components.encoder import Encoder, bank_vectors
from components.files import write_bytes
from components.scores import Floats
from components.words import count

DECISIONS = "decisions.json"  # in a collection's folder `CHECK`
_PART = 4096  # captions kept together: the most that a kill can lose
_SOME = 256  # images or captions between two reports of progress
Progress = Callable[[float, str], object]  # takes the share that is done, 0 to 1, of what


@dataclass(frozen=True)
class Indexed:
    """A captioned dataset whose images are encoded.

    ``vectors`` (n, d) are unit rows, ``sizes`` (n, 2) widths and heights in pixels; ``thumbnail``
    returns the JPEG bytes of an image by its number. ``skipped``: the (name, reason) of images that
    are missing or cannot be read.
    """

    data: CaptionSet
    vectors: Floats
    sizes: NDArray[np.int64]
    digests: Sequence[str]
    thumbnail: Callable[[int], bytes]
    skipped: Sequence[tuple[str, str]] = ()


def of_collection(collection: FolderCollection) -> Indexed:
    """Return the captions of a collection with its images. Raises Damaged where its metadata is."""
    table = collection.table
    names = tuple(map(str, table["id"].to_pylist()))
    lists = _captions(collection)
    owner = np.repeat(np.arange(len(names)), [len(captions) for captions in lists])
    texts = tuple(caption for captions in lists for caption in captions)
    splits = _column(collection, "split")
    return Indexed(
        CaptionSet(collection.manifest.name, names, tuple(map(str, splits)), texts, owner),
        collection.matrix.rows(np.arange(len(names))),
        np.stack([_numbers(collection, "width"), _numbers(collection, "height")], axis=1),
        [str(digest) for digest in _column(collection, "digest")],
        collection.thumbnail_at,
        [(str(row["id"]), str(row["reason"])) for row in collection.skipped()],
    )


def selected(indexed: Indexed, ids: Iterable[str]) -> Indexed:
    """Return the images of ``indexed`` that are among ``ids``, with their captions."""
    data, wanted = indexed.data, set(ids)
    kept = np.flatnonzero([name in wanted for name in data.images])
    rows = np.flatnonzero(np.isin(data.owner, kept))
    part = CaptionSet(
        f"{data.name}, a selection of {count(len(kept), 'image')}",
        tuple(data.images[image] for image in kept.tolist()),
        tuple(data.splits[image] for image in kept.tolist()),
        tuple(data.captions[row] for row in rows.tolist()),
        np.searchsorted(kept, data.owner[rows]),
    )
    return Indexed(
        part,
        indexed.vectors[kept],
        indexed.sizes[kept],
        [indexed.digests[image] for image in kept.tolist()],
        lambda image: indexed.thumbnail(int(kept[image])),
    )


def check_indexed(
    encoder: Encoder, indexed: Indexed, texts: Floats, progress: Progress = lambda share, of: None
) -> Checked:
    """Return `check` with all findings. ``texts`` (m, d) are the captions' unit vectors.

    To stop, raise from ``progress``. Raises TooFew.
    """
    data, chance = indexed.data, bank_vectors(encoder)
    checked = check(data, indexed.vectors, texts, chance, progress)
    facts = image_facts(_thumbnails(indexed, progress))
    groups = twins(
        indexed.digests, facts, indexed.vectors, lambda done: progress(done, "Finding duplicates")
    )
    progress(1.0, "Reading captions")
    findings = (
        *duplicate_findings(data, indexed.digests, groups, texts),
        *caption_findings(data, texts, indexed.vectors, encoder),
        *left_out(indexed.skipped),
        *image_findings(data, facts, indexed.sizes),
    )
    return replace(checked, findings=findings)


def _thumbnails(indexed: Indexed, progress: Progress) -> Iterator[bytes]:
    total = len(indexed.data.images)
    for image in range(total):
        if image % _SOME == 0:
            progress(image / total, "Looking at images")
        yield indexed.thumbnail(image)


def left_out(skipped: Sequence[tuple[str, str]]) -> list[Finding]:
    """Return the findings about images that are in no row, by the reasons that a build gave."""
    copies, others = [], []
    for name, reason in skipped:
        first = reason.removeprefix(f"{name} is the same file as ")
        if first == reason:
            others.append((name, reason))
        else:
            copies.append(Finding("Exact duplicate", (first.removesuffix("."), name), (), reason))
    return [*copies, *unreadable(others)]


def encode_captions(
    encoder: Encoder,
    captions: Sequence[str],
    folder: Path,
    progress: Progress = lambda share, of: None,
) -> Floats:
    """Return (m, d) unit vectors of captions; what is in a collection's ``folder`` is not repeated.

    Raises OSError where it cannot be written, and what ``progress`` raises.
    """
    parts = [np.zeros((0, encoder.recipe.width), np.float32)]
    for start in range(0, len(captions), _PART):

        def encoded(done: int, start: int = start) -> None:
            progress((start + done) / len(captions), "Encoding captions")

        part = captions[start : start + _PART]
        parts.append(_part(encoder, part, folder / CHECK, encoded))
    return np.concatenate(parts)


def _part(
    encoder: Encoder, captions: Sequence[str], folder: Path, encoded: Callable[[int], None]
) -> Floats:
    """Return the vectors of a part, from its file where it has one."""
    key = "\0".join([*encoder.key, encoder.runtime.library, *captions])
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    file = folder / f"captions-{digest[:24]}.npy"
    try:
        with file.open("rb") as kept:  # np.load would also open zip files
            rows: Floats = np.lib.format.read_array(kept, allow_pickle=False)
        if rows.shape == (len(captions), encoder.recipe.width) and rows.dtype == np.float32:
            return rows
    except (OSError, ValueError, EOFError):
        pass  # not there, or damaged
    rows = np.zeros((len(captions), encoder.recipe.width), np.float32)
    by_length = np.argsort([len(caption) for caption in captions])  # less padding in a batch
    for start in range(0, len(captions), _SOME):
        encoded(start)
        batch = by_length[start : start + _SOME]
        rows[batch] = encoder.texts([captions[row] for row in batch.tolist()])
    out = io.BytesIO()
    np.save(out, rows, allow_pickle=False)
    write_bytes(file, out.getvalue())
    return rows


def _captions(collection: FolderCollection) -> list[list[str]]:
    """Return each image's captions: a collection of a table has them as lists, or as one text."""
    return [
        [str(each) for each in cell] if isinstance(cell, list) else [str(cell)] if cell else []
        for cell in _column(collection, "captions")
    ]


def _column(collection: FolderCollection, name: str) -> list[object]:
    """Return a column of the metadata; "" where an image, or the collection, has none."""
    if name not in collection.table.column_names:
        return [""] * len(collection)
    return [value if value is not None else "" for value in collection.table[name].to_pylist()]


def _numbers(collection: FolderCollection, name: str) -> NDArray[np.int64]:
    values = _column(collection, name)
    return np.array([int(v) if isinstance(v, int | float) else 0 for v in values], dtype=np.int64)
