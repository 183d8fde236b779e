"""How fast a collection is built, against encoding alone, and how much memory it takes."""

import statistics
import time
from pathlib import Path

from components.bench.baseline import jpegs
from components.bench.measure import Say, in_a_fresh_process, peak_memory, temporary_data
from components.collection.build import BuildJob, build
from components.collection.sources.source import SourceSpec
from components.encoder import encode, load
from components.images import source_of
from components.models import locate, resolve

_FILES = 1024


def speed(rounds: int, say: Say) -> None:
    """Print images a second of building a folder collection, against encoding alone."""
    encoder = load(locate(resolve("pocket")))
    with temporary_data() as folder:
        files = distinct(jpegs(folder / "files", (640, 480), _FILES))
        sources = [source_of(file) for file in files]
        rates: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(rounds + 1):
            for builds in (True, False):
                start = time.perf_counter()
                if builds:
                    build(
                        BuildJob(f"turn {turn}", SourceSpec("folder", str(folder / "files"))),
                        encoder,
                    )
                else:
                    list(encode(encoder, sources))
                if turn:
                    rates[builds].append(_FILES / (time.perf_counter() - start))
    built, bare = statistics.median(rates[True]), statistics.median(rates[False])
    say(f"\n{_FILES} JPEG files of 640 x 480, images a second, Pocket")
    say(f"{'files to vectors':<44}{bare:>12.1f}")
    say(f"{'files to a collection, thumbnails included':<44}{built:>12.1f}  ({built / bare:.0%})")


def distinct(files: list[Path]) -> list[Path]:
    """Return JPEG files, the bytes of each made unique: decoders ignore what follows the end."""
    for number, file in enumerate(files):
        file.write_bytes(file.read_bytes() + f"{number}".encode())
    return files


def memory(images: Path, say: Say, counts: tuple[int, int] = (2_000, 20_000)) -> None:
    """Print the peak memory of building from few and from many images of a folder."""
    originals = [file for file in sorted(images.iterdir()) if file.suffix == ".jpg"]
    say("\npeak memory of a build, each in a fresh process")
    peaks: list[int] = []
    for count in counts:
        with temporary_data() as folder:
            place = folder / "files"
            place.mkdir()
            for number in range(count):
                data = originals[number % len(originals)].read_bytes()
                (place / f"{number:06}.jpg").write_bytes(data + f"{number}".encode())
            peaks.append(in_a_fresh_process(_peak, str(place)))
        say(f"{f'{count:,} images':<44}{peaks[-1] / 1e6:>12,.0f} MB")
    say(f"{'ratio':<44}{peaks[1] / peaks[0]:>12.2f}")


def _peak(place: str) -> int:
    encoder = load(locate(resolve("pocket")))
    build(BuildJob("bench", SourceSpec("folder", place)), encoder)
    return peak_memory()
