"""How fast films are indexed, in what memory, and whether their moments and cuts are found."""

import importlib
import os
import resource
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from components.bench.filming import RATE, Shot, film, plan, repeated
from components.bench.measure import (
    Say,
    in_a_fresh_process,
    peak_memory,
    processor,
    temporary_data,
)
from components.collection.build import BuildJob, BuildProgress, build
from components.collection.search import WITHIN, Limits, SearchResult, search
from components.collection.sources.source import SourceSpec
from components.collection.store import open_folder
from components.datasets import captioned
from components.encoder import decode_for, load
from components.errors import CaptionLensError
from components.films.cuts import Cuts
from components.films.moment import film_of
from components.films.opening import opened
from components.films.pictures import points
from components.images import source_of
from components.models import locate, resolve
from components.scores import Floats
from components.settings import Settings

_GOAL = 360  # seconds for an hour of film, on two cores
_TIMES = 4  # as long as the film is the one that shows whether time and memory grow
_FAR, _NEAR_KEYS = 10 * RATE, RATE  # frames between key frames: all are decoded, or they alone
_NEAR = 1.0  # seconds between what is found and a shot
_AT = 0.2  # seconds between a cut that is found and a cut


@dataclass(frozen=True)
class Indexed:
    """What indexing a film took; ``cpu`` in seconds of processors, memory in bytes."""

    frames: int
    wall: float
    cpu: float
    memory: int  # the process that encodes
    decoder: int  # the one that decodes


@dataclass(frozen=True)
class Spots:
    """Which photographs' best moment is in one of their shots (n,), and how well those moments fit.

    ``begins`` and ``ends`` are shares of the moments that are found.
    """

    found: NDArray[np.bool_]
    begins: float
    ends: float


def films(minutes: float, data: Path | None, say: Say) -> None:
    """Print the speed and memory of indexing films, and how many moments and cuts are found.

    A film of ``minutes`` is made of photographs with captions: the samples, or those of ``data``.
    Raises CaptionLensError without PySceneDetect, and DataError.
    """
    detector = _PySceneDetect()
    examples = captioned.read(data or Settings().samples).examples
    shots = plan(len(examples), 60 * minutes)
    shown = examples[: len(shots)]
    with temporary_data() as folder:
        photographs = [example.image for example in shown]
        every, keys, longer = (folder / name / "film.mp4" for name in ("all", "keys", "longer"))
        film(every, photographs, shots, _FAR)
        film(keys, photographs, shots, _NEAR_KEYS)
        repeated(every, longer, _TIMES)
        length = shots[-1].end
        say(f"\n{processor()}; load {os.getloadavg()[0]:.1f}, or more beside this")
        say(
            f"{len(shots)} shots of {len(shown)} photographs, 1080p, {RATE} frames/s,"
            f" {every.stat().st_size * 8e-6 / length:.1f} Mbit/s, Pocket"
        )
        say(f"{'':<34}{'frames':>8}{'seconds':>9}{'processor':>11}{'an hour':>9}{'memory':>16}")
        say(_speed("key frames 10 s apart: all decoded", every, length))
        say(_speed("key frames 1 s apart: they alone", keys, length))
        say(_speed(f"{_TIMES} times as long, all decoded", longer, _TIMES * length))
        say(f"{'goal':<62}{_GOAL:>9}")
        _moments([example.captions[0] for example in shown], photographs, shots, say)
        _cuts(every, [shot.begin for shot in shots[1:]], detector, say)


def _speed(name: str, path: Path, length: float) -> str:
    run = in_a_fresh_process(_indexed, path.parent)
    hour = run.wall * 3600 / length
    memory = f"{run.memory / 1e6:,.0f} + {run.decoder / 1e6:,.0f} MB"
    return f"{name:<34}{run.frames:>8,}{run.wall:>9.1f}{run.cpu:>11.1f}{hour:>9.0f}{memory:>16}"


def _indexed(folder: Path) -> Indexed:
    """Index a folder's films under its name."""
    encoder = load(locate(resolve("pocket")))
    decoder = 0

    def look(now: BuildProgress) -> None:
        nonlocal decoder
        for child in psutil.Process().children():
            with suppress(OSError, TypeError):  # it has just ended
                decoder = max(decoder, peak_memory(child.pid))

    start, before = time.perf_counter(), _processors()
    report = build(BuildJob(folder.name, SourceSpec("videos", str(folder))), encoder, look)
    wall = time.perf_counter() - start
    return Indexed(report.manifest.rows, wall, _processors() - before, peak_memory(), decoder)


def _processors() -> float:
    """Return the CPU time of this process and of its children that have ended, in seconds."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _moments(
    captions: Sequence[str], photographs: Sequence[Path], shots: Sequence[Shot], say: Say
) -> None:
    """Print how many photographs' shots are found by captions, and by the photographs."""
    encoder = load(locate(resolve("pocket")))
    texts = np.concatenate([encoder.texts([caption]) for caption in captions])
    sources = map(source_of, photographs)
    images = np.concatenate([encoder.images([decode_for(encoder, each)[1]]) for each in sources])
    right = (texts @ images.T).argmax(axis=1) == np.arange(len(texts))
    say(f"\nmoments found: the best one is at most {_NEAR:.0f} s from a shot of the photograph")
    say(f"{'':<34}{'by the':>9}{'caption, if':>13}{'by the':>8}{'begins and ends':>18}")
    say(f"{'':<34}{'caption':>9}{'it can be':>13}{'image':>8}{'at most 1 s off':>18}")
    for name, title in (("all", "all frames decoded"), ("keys", "key frames alone")):
        by_text, by_image = (_spots(name, vectors, shots) for vectors in (texts, images))
        say(
            f"{title:<34}{by_text.found.mean():>9.1%}{by_text.found[right].mean():>13.1%}"
            f"{by_image.found.mean():>8.1%}{by_text.begins:>9.1%}{by_text.ends:>9.1%}"
        )
    say(f"{'the photographs themselves':<34}{right.mean():>9.1%}{1:>13.1%}")


def _spots(name: str, vectors: Floats, shots: Sequence[Shot]) -> Spots:
    collection = open_folder(name)
    return spots([search(collection, each, Limits(1, within=WITHIN)) for each in vectors], shots)


def spots(results: Sequence[SearchResult], shots: Sequence[Shot]) -> Spots:
    """Return how well each photograph's best moment is one of its ``shots``.

    ``results``: of the search for each photograph, in their order.
    """
    found, begins, ends = list[bool](), list[bool](), list[bool]()
    for photograph, result in enumerate(results):
        times = [time for _, time in filter(None, map(film_of, _frames(result)))]
        near = [
            shot
            for shot in shots
            if shot.photograph == photograph
            and times
            and shot.begin - _NEAR <= times[0] <= shot.end + _NEAR
        ]
        found.append(bool(near))
        if near:
            begins.append(abs(min(times) - near[0].begin) <= _NEAR)
            ends.append(abs(max(times) - near[0].end) <= _NEAR)
    shares = (float(np.mean(each)) if each else 0.0 for each in (begins, ends))
    return Spots(np.array(found), *shares)


def _frames(result: SearchResult) -> list[str]:
    """Return the ids of the best moment's frames, the best one first."""
    return [*result.ids[:1], *(id_ for frames in result.frames[:1] for id_ in frames)]


def _cuts(path: Path, truth: Sequence[float], detector: "_PySceneDetect", say: Say) -> None:
    ways: dict[str, Callable[[Path], list[float]]] = {
        "ours": _our_cuts,
        "PySceneDetect, ContentDetector": detector.content,
        "PySceneDetect, AdaptiveDetector": detector.adaptive,
    }
    say(f"\n{len(truth)} cuts, found at most {_AT} s off; decoding included")
    say(f"{'':<34}{'recall':>8}{'precision':>11}{'seconds':>9}{'processor':>11}")
    for name, way in ways.items():
        start, before = time.perf_counter(), time.process_time()
        recall, precision = agreement(way(path), truth)
        wall, used = time.perf_counter() - start, time.process_time() - before
        say(f"{name:<34}{recall:>8.1%}{precision:>11.1%}{wall:>9.1f}{used:>11.1f}")


def agreement(found: Sequence[float], truth: Sequence[float]) -> tuple[float, float]:
    """Return recall and precision of cuts at most 0.2 s off, each cut found by one at most."""
    left = list(found)
    hits = 0
    for cut in truth:
        near = min(left, key=lambda each: abs(each - cut), default=None)
        if near is not None and abs(near - cut) <= _AT:
            left.remove(near)
            hits += 1
    return hits / max(len(truth), 1), hits / max(len(found), 1)


def _our_cuts(path: Path) -> list[float]:
    """Return the cuts that the sampler would find."""
    cuts = Cuts()
    with opened(path) as (read, seen):
        return [frame.time for frame in read.decode(seen) if cuts.is_cut(points(frame))]


class _PySceneDetect:
    """PySceneDetect's detectors with their default settings."""

    def __init__(self) -> None:
        """Raise CaptionLensError where it is not installed."""
        try:
            self._library: Any = importlib.import_module("scenedetect")
        except ImportError as error:
            raise CaptionLensError(
                "This benchmark compares with PySceneDetect, which is not installed: run"
                " `pip install scenedetect opencv-python-headless`."
            ) from error

    def content(self, path: Path) -> list[float]:
        """Return the cuts that ContentDetector finds."""
        return self._cuts(path, self._library.ContentDetector())

    def adaptive(self, path: Path) -> list[float]:
        """Return the cuts that AdaptiveDetector finds."""
        return self._cuts(path, self._library.AdaptiveDetector())

    def _cuts(self, path: Path, detector: object) -> list[float]:
        scenes = self._library.detect(str(path), detector)
        return [float(begin.seconds) for begin, _ in scenes[1:]]
