"""Films that tests make: the sample photographs panned and zoomed, cut together at known times."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
from PIL import Image

from components.settings import ROOT

Shot = tuple[str, float]  # the name of a sample image, and its seconds
_FAST = MappingProxyType({"preset": "ultrafast"})


def make_film(
    path: Path,
    shots: Sequence[Shot],
    size: tuple[int, int] = (160, 120),
    rate: int | Fraction = 25,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: Mapping[str, str] = MappingProxyType({}),
    metadata: Mapping[str, str] = MappingProxyType({}),
    rotation: int = 0,
    sound: bool = False,
    grain: float = 0.0,
    still: bool = False,
) -> Path:
    """Write a film of ``shots``, its container by the suffix; return its path.

    Shots begin at `starts`. ``rotation``: degrees anticlockwise by which a player turns it.
    ``grain``: the standard deviation of noise, of which real films have some. ``still``: shots do
    not move.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        film.metadata.update(metadata)
        stream = film.add_stream(codec, rate=rate, options=_options(codec, options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        if rotation:
            stream.set_display_rotation(rotation)
        audio = film.add_stream("aac", rate=48_000, layout="mono") if sound else None
        rng = np.random.default_rng(0)
        for name, seconds in shots:
            frames = round(seconds * rate)
            images = _pan(name, size, 1) * frames if still else _pan(name, size, frames)
            for image in images:
                film.mux(stream.encode(_frame(image, rng, grain)))
        film.mux(stream.encode(None))
        if audio:
            assert isinstance(audio, av.AudioStream)
            for _ in range(round(sum(seconds for _, seconds in shots) * 48_000 / 1024)):
                film.mux(audio.encode(_silence()))
            film.mux(audio.encode(None))
    return path


def starts(shots: Sequence[Shot]) -> list[float]:
    """Return the seconds at which each shot begins."""
    return [0.0, *accumulate(seconds for _, seconds in shots[:-1])]


def _options(codec: str, options: Mapping[str, str]) -> dict[str, str]:
    fast = dict(_FAST) if codec in {"libx264", "libx265"} else {}
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    return {**fast, **quiet, **options}


def _pan(name: str, size: tuple[int, int], frames: int) -> list[Image.Image]:
    """Return a shot: the camera crosses the photograph and comes a little nearer."""
    with Image.open(ROOT / "sample_images" / name) as opened:
        photo = opened.convert("RGB")
    aspect = size[0] / size[1]
    widest = min(photo.width, photo.height * aspect)
    images = []
    for number in range(frames):
        share = number / max(frames - 1, 1)
        width = widest * (0.95 - 0.15 * share)
        left, top = (photo.width - width) * share, (photo.height - width / aspect) * share
        box = (left, top, left + width, top + width / aspect)
        images.append(photo.resize(size, Image.Resampling.BILINEAR, box))
    return images


def _frame(image: Image.Image, rng: np.random.Generator, grain: float) -> av.VideoFrame:
    pixels = np.asarray(image)
    if grain:
        noise = rng.normal(0.0, grain, (image.height // 2, image.width // 2, 1))
        pixels = (pixels + noise.repeat(2, 0).repeat(2, 1)).clip(0, 255).astype(np.uint8)
    return av.VideoFrame.from_ndarray(pixels)


def _silence() -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
    frame.sample_rate = 48_000
    return frame
