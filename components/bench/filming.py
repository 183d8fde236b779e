"""Makes films for benchmarks: photographs panned, zoomed and cut together at known times."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from av import VideoFrame

RATE = 25  # frames a second
_WIDTH, _HEIGHT = 1920, 1080
_ROOM = 1.1  # of the film's size, in which the camera moves
_ZOOM = 0.15  # by which it comes nearer
_SHORTEST, _LONGEST = 2, 8  # seconds of a shot


@dataclass(frozen=True)
class Shot:
    """A part of a film: the number of its photograph, and where it begins and ends in seconds."""

    photograph: int
    begin: float
    end: float


def plan(photographs: int, seconds: float) -> list[Shot]:
    """Return shots of 2 to 8 s, the same in every run, that last ``seconds`` or a little longer.

    They show one photograph after another.
    """
    rng = random.Random(0)  # noqa: S311 - not a secret
    shots, begin = list[Shot](), 0  # frames
    while begin < seconds * RATE:
        end = begin + rng.randint(_SHORTEST * RATE, _LONGEST * RATE)
        shots.append(Shot(len(shots) % photographs, begin / RATE, end / RATE))
        begin = end
    return shots


def film(path: Path, photographs: Sequence[Path], shots: Sequence[Shot], keys: int) -> None:
    """Write a film in 1080p, with a key frame every ``keys`` frames, wherever the cuts are.

    H.264 as a fast encoder writes it: a high bit rate, and no frames that a decoder can leave out.
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"preset": "ultrafast", "g": str(keys), "sc_threshold": "0"}
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for shot in shots:
            begin = round(shot.begin * RATE)
            frames = _frames(photographs[shot.photograph], round(shot.end * RATE) - begin)
            for number, frame in enumerate(frames, begin):
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                made.mux(stream.encode(frame))
        made.mux(stream.encode(None))


def _frames(photograph: Path, count: int) -> Iterator["VideoFrame"]:
    """Yield the frames of a shot: the camera crosses a photograph and comes nearer."""
    import av
    from av.filter import Graph

    with Image.open(photograph) as opened:
        still = av.VideoFrame.from_ndarray(np.asarray(opened.convert("RGB")))
    still.pts, still.time_base = 0, Fraction(1, RATE)
    across, down = round(_WIDTH * _ROOM), round(_HEIGHT * _ROOM)
    graph = Graph()
    size = f"max({across}\\,{down}*a):max({down}\\,{across}/a)"
    place = f"(iw-ow)*n/{count}:(ih-oh)*n/{count}"
    middle = "x=(iw-iw/zoom)/2:y=(ih-ih/zoom)/2"
    zoom = f"z=1+{_ZOOM}*on/{count}:d=1:{middle}:s={_WIDTH}x{_HEIGHT}:fps={RATE}"
    graph.link_nodes(
        graph.add_buffer(
            width=still.width, height=still.height, format=still.format, time_base=still.time_base
        ),
        graph.add("scale", f"{size}:out_color_matrix=bt709"),
        graph.add("format", "yuv420p"),
        graph.add("loop", f"loop={count - 1}:size=1"),
        graph.add("crop", f"{_WIDTH}:{_HEIGHT}:{place}"),
        graph.add("zoompan", zoom),
        graph.add("buffersink"),
    ).configure()
    graph.push(still)
    graph.push(None)
    for _ in range(count):
        yield graph.vpull()


def repeated(path: Path, longer: Path, times: int) -> None:
    """Write a film that shows a film so many times, without decoding it."""
    import av

    longer.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(longer), "w") as made:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(path)) as read:
                seen = read.streams.video[0]
                stream = stream or made.add_stream_from_template(seen)
                for packet in read.demux(seen):
                    if packet.pts is None or packet.dts is None:  # the end
                        continue
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = stream
                    made.mux(packet)
                offset += seen.duration or 0
