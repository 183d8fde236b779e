"""The same picture several times: exact and near duplicates, in splits and under captions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.check.caption_set import CaptionSet, Indices
from components.check.findings.finding import Finding
from components.check.findings.images import BLANK, PARTS, ImageFacts
from components.check.findings.registration import difference
from components.scores import Floats
from components.words import count

Progress = Callable[[float], object]
_NEIGHBOURS = 16  # of each image by cosine, which are compared with it
_QUERIES = 1024  # images whose neighbours are found between two reports of progress
_COMPARED = 512  # pairs of images laid over each other at once
# The same picture has a hash at most this far, and differs at most so much in its worst block
# (in standard deviations of luminance). `cli.py bench duplicates` measures what they find.
_BITS = 18
_BITS_ALONE = 12  # of images that are not near for the model
_DIFFERENCE = 0.3
# Captions disagree where nine in ten pairs of unrelated captions agree less. With Pocket on
# Flickr8k: 1.3% of the pairs of captions of one image, 90% of the pairs with another's.
_UNRELATED = 90  # percentile
_DRAWN = 20_000  # pairs of unrelated captions


@dataclass(frozen=True)
class Leak:
    """How many images of ``split`` are in ``other`` as well, and their share of ``split``."""

    split: str
    other: str
    images: int
    share: float


def _nothing(share: float) -> None:
    """Progress that nobody watches."""


def twins(
    digests: Sequence[str], facts: ImageFacts, vectors: Floats, progress: Progress = _nothing
) -> list[Indices]:
    """Return the groups of images that show the same picture, each in ascending order.

    ``digests`` (n,) are those of the files, ``vectors`` (n, width) unit rows of any model. Images
    are compared with their nearest by cosine: first by their hashes, then laid over each other.
    Every image of a group shows the same as one of them, so that a chain of small steps makes no
    group. ``progress`` is called with the share that is done; to stop, raise from it.
    """
    if not len(digests):
        return []
    _, first, same = np.unique(np.asarray(digests), return_index=True, return_inverse=True)
    kept = ImageFacts(facts.hashes[first], facts.greys[first], facts.spread[first])
    group = _grouped(kept, _near_pairs(kept, vectors[first], progress))[same]  # (n,)
    order = np.argsort(group, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    return sorted((each for each in groups if len(each) > 1), key=lambda each: int(each[0]))


def duplicate_findings(
    data: CaptionSet, digests: Sequence[str], groups: Sequence[Indices], texts: Floats
) -> list[Finding]:
    """Return the findings about ``groups`` of `twins`, kind by kind.

    ``digests`` (n,) are those of the files, ``texts`` (m, width) the captions' unit vectors.
    """
    return [
        *_exact(data, digests, groups),
        *_near(data, digests, groups),
        *_disagreeing(data, groups, texts),
        *_across(data, groups),
    ]


def leakage(data: CaptionSet, groups: Sequence[Indices]) -> list[Leak]:
    """Return for each two splits how much of the one is in the other, the largest share first."""
    splits = np.array([split or "" for split in data.splits])
    names, sizes = np.unique(splits[splits != ""], return_counts=True)
    leaks = []
    for split, size in zip(names.tolist(), sizes.tolist(), strict=True):
        for other in names.tolist():
            touched = sum(_touched(splits[group], split, other) for group in groups)
            if split != other and touched:
                leaks.append(Leak(split, other, touched, touched / size))
    return sorted(leaks, key=lambda leak: -leak.share)


def _touched(splits: NDArray[np.str_], split: str, other: str) -> int:
    return int((splits == split).sum()) if (splits == other).any() else 0


def _near_pairs(facts: ImageFacts, vectors: Floats, progress: Progress) -> Indices:
    """Return (k, 2) rows of pairs of images that show the same picture.

    A small copy may be far from the original for the model, a crop far by its hash.
    """
    import faiss

    def by_cosine(rows: slice) -> Indices:
        return faiss.knn(vectors[rows], vectors, nearest, metric=faiss.METRIC_INNER_PRODUCT)[1]

    def by_hash(rows: slice) -> Indices:
        bits, near = faiss.knn_hamming(codes[rows], codes, nearest)
        return np.where(bits <= _BITS_ALONE, near, np.arange(len(codes))[rows, None])

    nearest = min(_NEIGHBOURS + 1, len(vectors))  # the nearest is itself
    codes = np.ascontiguousarray(facts.hashes[:, :1]).view(np.uint8)  # (n, 8)
    keys = np.union1d(
        _neighbours(len(vectors), by_cosine, lambda done: progress(0.6 * done)),
        _neighbours(len(vectors), by_hash, lambda done: progress(0.6 + 0.2 * done)),
    )
    pairs = np.stack(np.divmod(keys, len(vectors)), axis=1)
    same = _is_same(facts, pairs, lambda done: progress(0.8 + 0.2 * done))
    near: Indices = pairs[same]
    return near


def _neighbours(rows: int, nearest: Callable[[slice], Indices], progress: Progress) -> Indices:
    """Return (k,) pairs of rows, the lower first, one of them among the other's nearest.

    A pair is the number lower * rows + higher; ``nearest`` returns (queries, nearest) rows.
    """
    pairs = []
    for start in range(0, rows, _QUERIES):
        progress(start / rows)
        near = nearest(slice(start, start + _QUERIES))
        own = np.arange(start, start + len(near))[:, None]
        pairs.append((np.minimum(own, near) * rows + np.maximum(own, near))[own != near])
    return np.unique(np.concatenate(pairs))


def _is_same(facts: ImageFacts, pairs: Indices, progress: Progress = _nothing) -> NDArray[np.bool_]:
    """Return (k,) whether the images of pairs (k, 2) show the same picture.

    Blank images, of which nothing can be laid over anything, never do.
    """
    same = np.zeros(len(pairs), dtype=np.bool_)
    blank = (facts.spread < BLANK)[pairs].any(axis=1)
    for turn, (whole, part) in enumerate((pairs.T, pairs.T[::-1])):
        bits = np.bitwise_count(facts.hashes[whole] ^ facts.hashes[part, :1])  # (k, parts)
        alike = np.flatnonzero((bits.min(axis=1) <= _BITS) & ~blank & ~same)
        for start in range(0, len(alike), _COMPARED):
            progress((turn + start / len(alike)) / 2)
            rows = alike[start : start + _COMPARED]
            boxes = np.array(PARTS, dtype=np.float32)[bits[rows].argmin(axis=1)]
            apart = difference(facts.greys[whole[rows]], facts.greys[part[rows]], boxes)
            same[rows] = apart <= _DIFFERENCE
    return same


def _grouped(facts: ImageFacts, pairs: Indices) -> Indices:
    """Return (n,) the group of each image: its lowest row for images that show no other's."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = len(facts.hashes)
    links = coo_array((np.ones(len(pairs), dtype=np.int8), pairs.T), shape=(rows, rows))
    linked = connected_components(links, directed=False)[1]
    degree = np.bincount(pairs.ravel(), minlength=rows)
    group: Indices = np.arange(rows)
    order = np.lexsort((-degree, linked))  # the image with the most links comes first
    for chain in np.split(order, np.flatnonzero(np.diff(linked[order])) + 1):
        for star in _stars(facts, chain):
            group[star] = star[0]
    return group


def _stars(facts: ImageFacts, chain: Indices) -> Iterator[Indices]:
    """Yield the images of a chain that show the same as the first, then so for the rest."""
    if len(chain) <= 2:  # itself, or a pair that was compared
        yield chain
        return
    while len(chain):
        first, others = chain[:1], chain[1:]
        same = _is_same(facts, np.stack([np.repeat(first, len(others)), others], axis=1))
        yield np.append(first, others[same])
        chain = others[~same]


def _exact(
    data: CaptionSet, digests: Sequence[str], groups: Sequence[Indices]
) -> Iterator[Finding]:
    for group in groups:
        equal: dict[str, list[int]] = {}
        for row in group.tolist():
            equal.setdefault(digests[row], []).append(row)
        for rows in equal.values():
            if len(rows) > 1:
                detail = f"{count(len(rows), 'file')} have the same bytes: keep one of them."
                yield Finding("Exact duplicate", _names(data, rows), (), detail)


def _near(data: CaptionSet, digests: Sequence[str], groups: Sequence[Indices]) -> Iterator[Finding]:
    for group in groups:
        if len({digests[row] for row in group}) > 1:
            detail = f"{count(len(group), 'image')} show the same picture: keep the best copy."
            yield Finding("Near duplicate", _names(data, group), (), detail)


def _disagreeing(data: CaptionSet, groups: Sequence[Indices], texts: Floats) -> Iterator[Finding]:
    """Yield groups with captions that agree with the others' no more than unrelated captions do."""
    limit = _unrelated(data, texts)
    means, counts = _mean_captions(data, texts)
    rows_of = np.split(np.argsort(data.owner, kind="stable"), np.cumsum(counts)[:-1])
    for group in groups:
        captioned = group[counts[group] > 0]
        if len(captioned) < 2:
            continue
        agreement = _agreement(means[captioned])
        odd = captioned[agreement < limit]
        if len(odd):
            rows = np.concatenate([rows_of[image] for image in odd])
            names = _names(data, captioned[np.argsort(agreement, kind="stable")])
            detail = (
                f"The captions of {len(odd):,} of {len(captioned):,} copies of this picture"
                " hardly agree with those of the others: keep what the picture shows."
            )
            yield Finding("Different captions", names, tuple(rows.tolist()), detail)


def _mean_captions(data: CaptionSet, texts: Floats) -> tuple[Floats, Indices]:
    """Return (n, width) the mean of the vectors of each image's captions, and (n,) their number."""
    counts = np.bincount(data.owner, minlength=len(data.images))
    sums = np.zeros((len(counts), texts.shape[1]), dtype=np.float32)
    np.add.at(sums, data.owner, texts)
    return sums / np.maximum(counts, 1).astype(np.float32)[:, None], counts


def _agreement(means: Floats) -> Floats:
    """Return (k,) the mean cosine of each image's captions with the captions of the others."""
    others = means.sum(axis=0) - means
    agreement: Floats = (means * others).sum(axis=1) / (len(means) - 1)
    return agreement


def _unrelated(data: CaptionSet, texts: Floats) -> float:
    """Return the cosine that few pairs of captions of different images exceed."""
    rows = np.random.default_rng(0).integers(0, len(texts), (2, _DRAWN)) if len(texts) else None
    if rows is None:
        return -1.0
    one, other = rows[:, data.owner[rows[0]] != data.owner[rows[1]]]
    cosines = np.einsum("ij,ij->i", texts[one], texts[other])
    return float(np.percentile(cosines, _UNRELATED)) if len(cosines) else -1.0


def _across(data: CaptionSet, groups: Sequence[Indices]) -> Iterator[Finding]:
    """Yield groups in several splits; the images of the smallest split come first."""
    sizes = Counter(data.splits)
    for group in groups:
        within = [row for row in group.tolist() if data.splits[row]]
        splits = sorted({data.splits[row] for row in within}, key=lambda name: (sizes[name], name))
        if len(splits) > 1:
            within.sort(key=lambda row: splits.index(data.splits[row]))
            detail = (
                f"The same picture is in {' and '.join(splits)}: keep it in one split, or figures"
                " measured on the others are too good."
            )
            yield Finding("Across splits", _names(data, within), (), detail)


def _names(data: CaptionSet, rows: Iterable[int]) -> tuple[str, ...]:
    return tuple(data.images[row] for row in rows)
