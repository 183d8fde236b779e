"""One frame of a film, and short clips that every browser plays.

FFmpeg decodes in a process of its own: a film that crashes it, or never ends, costs that process.
"""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.films.moment import clock
from components.films.opening import FilmError, limit_memory, opened
from components.films.pictures import Pictures, jpeg
from components.settings import ROOT

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer

_LONGEST_WAIT = {"frame": 30.0, "clip": 180.0}  # seconds
_FRAME_SIDE = 1600  # pixels, as of other images in the large view
_CLIP_SIDE = 1280  # pixels: 720p at most
_CLIP_RATE = 30  # frames a second at most
_SOUND_RATE = 48_000  # hertz


def frame_at(path: Path, seconds: float) -> bytes:
    """Return the JPEG bytes of the frame that a film shows at a second. Raises FilmError."""
    return _made("frame", path, seconds, 0.0)


def clip(path: Path, seconds: float, length: float = 30.0) -> bytes:
    """Return a part of a film as MP4, in H.264 and AAC, of 720 lines at most. Raises FilmError."""
    return _made("clip", path, seconds, length)


def _made(action: str, path: Path, seconds: float, length: float) -> bytes:
    if not path.is_file():
        raise FilmError(f"{path.name} is not a file any more.")
    numbers = [f"{seconds:.3f}", f"{length:.3f}"]
    command = [sys.executable, "-m", __name__, action, str(path.absolute()), *numbers]
    wait = _LONGEST_WAIT[action]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=wait, check=False)
    except subprocess.TimeoutExpired as error:
        raise FilmError(
            f"{path.name} takes too long to decode at {clock(seconds)}. Open it in a video player."
        ) from error
    if done.returncode or not done.stdout:
        raise FilmError(
            f"{path.name} cannot be decoded at {clock(seconds)}: it is damaged there, or of a kind"
            " that FFmpeg does not know."
        )
    return done.stdout


def _main(action: str, path: str, seconds: str, length: str) -> None:
    """Write what is asked for to standard output; for the process of its own."""
    limit_memory()
    with opened(Path(path)) as (film, seen):
        if action == "frame":
            made = _jpeg(film, seen, float(seconds))
        else:
            made = _clip(film, seen, float(seconds), float(length))
    sys.stdout.buffer.write(made)


def _begin(film: "InputContainer", seconds: float) -> Fraction:
    """Go to the key frame before a second; return that second as the film's packets count it."""
    start = Fraction(film.start_time or 0, 1_000_000)
    target = start + Fraction(seconds).limit_denominator(1000)
    film.seek(max(int(target * 1_000_000), 0), backward=True)
    return target


def _jpeg(film: "InputContainer", seen: "av.VideoStream", seconds: float) -> bytes:
    """Return the last frame that is not after a second, at least the first of the film."""
    target = _begin(film, seconds) + Fraction(1, 1000)  # times are rounded to thousandths
    shown = None
    for frame in film.decode(seen):
        if shown is not None and _time(frame) > target:
            break
        shown = frame
    return jpeg(Pictures(seen, _FRAME_SIDE).image(shown)) if shown else b""


def _time(frame: object) -> Fraction:
    """Return a frame's time in seconds, as the film counts them; -1 where it has none."""
    count, base = getattr(frame, "pts", None), getattr(frame, "time_base", None)
    return Fraction(-1) if count is None or base is None else count * Fraction(base)


def _clip(film: "InputContainer", seen: "av.VideoStream", seconds: float, length: float) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        _encode(film, seen, made, (seconds, length))
    return out.getvalue()


def _encode(
    film: "InputContainer",
    seen: "av.VideoStream",
    made: "OutputContainer",
    span: tuple[float, float],
) -> None:
    """Encode from a second on, for some seconds; both streams begin at 0 in the clip."""
    import av

    pictures = Pictures(seen, _CLIP_SIDE)
    _begin(film, span[0])
    size = pictures.image(next(film.decode(seen))).size  # before sound is written
    first = _begin(film, span[0])
    last = first + Fraction(span[1]).limit_denominator(1000)
    sound = next(iter(film.streams.audio), None)
    drawn = _Drawing(made, first, pictures, size)
    heard = _Sound(made) if sound else None
    for frame in film.decode(*filter(None, [seen, sound])):
        at = _time(frame)
        if isinstance(frame, av.VideoFrame) and at >= last:
            break
        if isinstance(frame, av.VideoFrame) and at >= first:
            drawn.add(frame, at)
        elif heard and isinstance(frame, av.AudioFrame) and first <= at < last:
            heard.add(frame)
    drawn.end()
    if heard:
        heard.end()


class _Drawing:
    """The video of a clip: upright, eight bits a colour, no larger and no faster than needed."""

    def __init__(
        self,
        made: "OutputContainer",
        first: Fraction,
        pictures: Pictures,
        size: tuple[int, int],
    ) -> None:
        self._made, self._first, self._pictures, self._next = made, first, pictures, 0
        self._stream = made.add_stream("libx264", rate=_CLIP_RATE, options={"preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        # H.264 halves the resolution of colour: sides are even.
        self._stream.width, self._stream.height = (max(2, side // 2 * 2) for side in size)

    def add(self, frame: "av.VideoFrame", at: Fraction) -> None:
        import av

        number = int((at - self._first) * _CLIP_RATE)
        if number < self._next:
            return
        self._next = number + 1
        drawn = av.VideoFrame.from_ndarray(np.asarray(self._pictures.image(frame)))
        drawn.pts, drawn.time_base = number, Fraction(1, _CLIP_RATE)
        size = self._stream.width, self._stream.height
        self._made.mux(self._stream.encode(drawn.reformat(*size, "yuv420p")))

    def end(self) -> None:
        self._made.mux(self._stream.encode())


class _Sound:
    """The audio of a clip: two channels that follow each other without gaps."""

    def __init__(self, made: "OutputContainer") -> None:
        from av import AudioResampler

        self._made = made
        self._stream = made.add_stream("aac", rate=_SOUND_RATE)
        self._resampler = AudioResampler("fltp", "stereo", _SOUND_RATE)

    def add(self, frame: "av.AudioFrame | None") -> None:
        for part in self._resampler.resample(frame):
            part.pts = None  # the encoder counts
            self._made.mux(self._stream.encode(part))

    def end(self) -> None:
        self.add(None)
        self._made.mux(self._stream.encode())


if __name__ == "__main__":
    _main(*sys.argv[1:])
