"""The map of a collection: t-SNE against UMAP and principal components, clusters, their names."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.bench.measure import Say, in_a_fresh_process, peak_memory, processor
from components.datasets import captioned
from components.encoder import Encoded, Encoder, encode
from components.images import source_of
from components.projection.clusters import clusters, names
from components.projection.neighbours import neighbours
from components.projection.projection import fit, pca
from components.scores import Floats, unit

_NEIGHBOURS = 15  # that a good map keeps
_BLOCK = 500  # rows whose distances to all others are held at once
_GROUPS, _GROUP = 30, 60  # clusters that no noun fits, and their images
_NOISE = 0.02  # standard deviation a dimension of repeated vectors
_PACKAGES = {  # beyond what CaptionLens needs anyway
    "pca": (),
    "openTSNE": ("opentsne",),
    "1 in 4 fitted": ("opentsne",),
    "1 in 10 fitted": ("opentsne",),
    "umap-learn": ("umap-learn", "pynndescent", "numba", "llvmlite"),
}


def projection(encoder: Encoder, data: Path, rows: int, say: Say) -> None:
    """Print the table of projections, the clusters with their names, and the time of a large map.

    ``data`` is a captioned dataset; ``rows`` vectors for the large map are its own, repeated with
    noise. Raises DataError.
    """
    examples = captioned.read(data).examples
    items = [*encode(encoder, [source_of(example.image) for example in examples])]
    pairs = [
        (item.vector, " ".join(example.captions))
        for item, example in zip(items, examples, strict=True)
        if isinstance(item, Encoded)
    ]
    vectors = np.stack([vector for vector, _ in pairs])
    say(f"{processor()}\n{encoder.spec.id}, {len(vectors):,} images, width {vectors.shape[1]}\n")
    points = _compared(vectors, say)
    _clusters(encoder, vectors, points, [text for _, text in pairs], say)
    _large(vectors, rows, say)


@dataclass(frozen=True)
class _Run:
    """The points of a map, the seconds it took with its imports, and the peak memory in bytes."""

    points: Floats
    seconds: float
    memory: int


def _compared(vectors: Floats, say: Say) -> Floats:
    """Print a line for each projection; return the points of the one that CaptionLens takes."""
    say(
        f"{'':<16}{'seconds':>9}{'memory':>10}{'installs':>10}{'trustworthiness':>17}"
        f"{'continuity':>12}"
    )
    points = vectors[:, :2]
    for name, packages in _PACKAGES.items():
        try:
            size = sum(map(_installed, packages))
        except PackageNotFoundError as missing:
            say(f"{name:<16}{missing} is not installed: run `pip install {name}`.")
            continue
        run = in_a_fresh_process(_run, name, vectors)
        kept = trustworthiness(vectors, run.points), trustworthiness(run.points, vectors)
        say(
            f"{name:<16}{run.seconds:>9.1f}{run.memory / 1e6:>7.0f} MB{size / 1e6:>7.0f} MB"
            f"{kept[0]:>17.4f}{kept[1]:>12.4f}"
        )
        points = run.points if name == "openTSNE" else points
    return points


def _installed(package: str) -> int:
    """Return the bytes of an installed package. Raises PackageNotFoundError."""
    return sum(file.size or 0 for file in distribution(package).files or ())


def _run(name: str, vectors: Floats) -> _Run:
    start = time.perf_counter()
    projections: dict[str, Callable[[Floats], Floats]] = {
        "pca": pca,
        "openTSNE": lambda rows: fit(rows, _unwatched),
        # As of a large collection: the others are placed among those that are fitted.
        "1 in 4 fitted": lambda rows: fit(rows, _unwatched, most=len(rows) // 4),
        "1 in 10 fitted": lambda rows: fit(rows, _unwatched, most=len(rows) // 10),
        "umap-learn": _umap,
    }
    points = projections[name](vectors)
    return _Run(points, time.perf_counter() - start, peak_memory())


def _unwatched(share: float, of: str) -> None:
    """Progress that nobody watches."""


def _umap(vectors: Floats) -> Floats:
    import importlib

    umap: Any = importlib.import_module("umap")  # installed for this alone
    model = umap.UMAP(n_neighbors=_NEIGHBOURS, metric="cosine", random_state=0)
    points: Floats = model.fit_transform(vectors)
    return points


def trustworthiness(space: Floats, shown: Floats) -> float:
    """Return how far the 15 nearest in ``shown`` (n, d) are near in ``space`` (n, width): 0 to 1.

    Venna & Kaski 2006, "Local multidimensional scaling", equation 1; with the arguments exchanged,
    continuity (equation 2).
    """
    count, worse = len(space), 0
    for start in range(0, count, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, count))
        ranks = np.argsort(np.argsort(_distances(space, rows), axis=1), axis=1)
        near = np.argpartition(_distances(shown, rows), _NEIGHBOURS, axis=1)[:, : _NEIGHBOURS + 1]
        worse += int(np.maximum(np.take_along_axis(ranks, near, 1) - _NEIGHBOURS, 0).sum())
    most = count * _NEIGHBOURS * (2 * count - 3 * _NEIGHBOURS - 1) / 2
    return 1 - worse / most


def _distances(points: Floats, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return (rows, n) squared distances without a constant of each row; the own is the least."""
    exact = points.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    distances: NDArray[np.float64] = squares - 2 * exact[rows] @ exact.T
    distances[np.arange(len(rows)), rows] = -np.inf
    return distances


def _clusters(
    encoder: Encoder, vectors: Floats, points: Floats, texts: Sequence[str], say: Say
) -> None:
    """Print how alike the captions within clusters are, and how often they have its name."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(stop_words="english", min_df=5, sublinear_tf=True).fit_transform(texts)
    found = clusters(points)
    means = _k_means(vectors, int(found.max()) + 1, (found >= 0).mean())
    say("\nmean cosine of the captions (TF-IDF) of two images of a cluster")
    shuffled = np.random.default_rng(0).permutation(found)
    for kind, numbers in (("ours", found), ("k-means", means), ("at random", shuffled)):
        say(f"{kind:<12}{int(numbers.max()) + 1:>4} clusters{_coherence(words, numbers):>8.3f}")
    _names(encoder, vectors, found, texts, say)


def _k_means(vectors: Floats, count: int, share: float) -> NDArray[np.int64]:
    """Return (n,) numbers of ``count`` clusters of vectors; -1 for all but the nearest ``share``.

    As many are left out as the clusters of the map leave out, so that both can be compared.
    """
    import faiss

    method = faiss.Kmeans(vectors.shape[1], count, niter=25, spherical=True, seed=0)
    method.train(vectors)
    centres: Any = method.centroids
    cosines = vectors @ centres.T
    nearest = cosines.max(axis=1)
    kept = nearest >= np.quantile(nearest, 1 - share)
    return np.where(kept, cosines.argmax(axis=1), -1)


def _coherence(words: Any, numbers: NDArray[np.integer]) -> float:
    """Return the mean cosine of two of a cluster's unit rows of ``words`` (n, terms)."""
    total = 0.0
    for number in range(int(numbers.max()) + 1):
        rows = words[numbers == number]
        if rows.shape[0] > 1:
            whole = np.asarray(rows.sum(axis=0)).ravel()
            total += (whole @ whole - rows.shape[0]) / (rows.shape[0] - 1)
    return total / int((numbers >= 0).sum())


def _names(
    encoder: Encoder,
    vectors: Floats,
    numbers: NDArray[np.int32],
    texts: Sequence[str],
    say: Say,
) -> None:
    """Print the name of each cluster, and in how many of its images a word of it is captioned."""
    said = [{_stem(word) for word in text.lower().split()} for text in texts]
    supported = []
    say("\nsize, name, images whose captions have a word of it: of the cluster, of all")
    for number, name in enumerate(names(vectors, numbers, encoder)):
        stems = {_stem(word) for word in name.split() if word not in _COMMON}
        has = np.array([bool(stems & each) for each in said])
        own, every = has[numbers == number].mean(), has.mean()
        supported += [own > 2 * every] if name else []
        say(f"{(numbers == number).sum():>6}  {name:<32}{own:>8.0%}{every:>8.0%}")
    say(
        f"{sum(supported)} of {len(supported)} names are twice as frequent in their cluster or more"
    )
    _nothing_in_common(encoder, vectors, say)


def _nothing_in_common(encoder: Encoder, vectors: Floats, say: Say) -> None:
    """Print how many clusters whose images have nothing in common get a noun; none should."""
    rng = np.random.default_rng(0)
    numbers = np.repeat(np.arange(_GROUPS, dtype=np.int32), _GROUP)
    width = vectors.shape[1]
    directions = unit(rng.standard_normal((_GROUPS, width)))[numbers]
    spread = 0.5 / np.sqrt(width)  # of a dimension: a cosine of about 0.9 with the direction
    groups = {
        "images at random": vectors[rng.integers(0, len(vectors), len(numbers))],
        "vectors near one random direction": unit(
            directions + spread * rng.standard_normal(directions.shape)
        ),
    }
    for kind, group in groups.items():
        named = sum(map(bool, names(group.astype(np.float32), numbers, encoder)))
        say(f"{named} of {_GROUPS} clusters of {_GROUP} {kind} have a name")


_COMMON = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "from", "over", "and", "near", "that", "is"}
)


def _stem(word: str) -> str:
    """Return the beginning of a word, alike for "dogs" and "dog", "surfing" and "surfer"."""
    return word.strip(".,").removesuffix("ing").rstrip("s")[:5]


def _large(vectors: Floats, rows: int, say: Say) -> None:
    """Print what a map of ``rows`` vectors takes, step by step."""
    seconds, memory = in_a_fresh_process(_steps, vectors, rows)
    steps = ", ".join(f"{step} {taken:.1f} s" for step, taken in seconds.items())
    say(f"\n{rows:,} vectors: {steps}; {memory / 1e6:.0f} MB at the peak")


def _steps(vectors: Floats, rows: int) -> tuple[dict[str, float], int]:
    """Return the seconds of each step of a large map, and the peak memory in bytes."""
    rng = np.random.default_rng(0)
    many = np.tile(vectors, (-(-rows // len(vectors)), 1))[:rows]
    many = unit(many + _NOISE * rng.standard_normal(many.shape, dtype=np.float32))
    start = time.perf_counter()
    pca(many)
    first = time.perf_counter()
    points = fit(many, _unwatched)
    fitted = time.perf_counter()
    neighbours(many, 10, _unwatched)
    near = time.perf_counter()
    clusters(points)
    taken = {
        "principal components": first - start,
        "points": fitted - first,
        "neighbours": near - fitted,
        "clusters": time.perf_counter() - near,
    }
    return taken, peak_memory()
