"""One frame of a film, and short clips that every browser plays.

FFmpeg decodes in a process of its own: a film that crashes it, or never ends, costs that process.
"""

import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from components.errors import CaptionLensError
from components.films.moment import clock
from components.settings import ROOT

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer
    from PIL.Image import Image

_LONGEST_WAIT = {"frame": 30.0, "clip": 180.0}  # seconds
_MEMORY = 3_000_000_000  # bytes of address space
_CLIP_SIDE = 1280  # pixels: 720p at most
_CLIP_RATE = 30  # frames a second at most
_SOUND_RATE = 48_000  # hertz
# A renamed playlist would have FFmpeg open other files, and servers.
_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo",
    "protocol_whitelist": "file",
}


class FilmError(CaptionLensError):
    """A film that cannot be decoded; the sentence names it."""


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
            f"{path.name} takes too long to decode at {clock(seconds)}. Play it in a film player."
        ) from error
    if done.returncode or not done.stdout:
        raise FilmError(
            f"{path.name} cannot be decoded at {clock(seconds)}: it is damaged there, or of a kind"
            " that FFmpeg does not know."
        )
    return done.stdout


def _main(action: str, path: str, seconds: str, length: str) -> None:
    """Write what is asked for to standard output; for the process of its own."""
    _limit_memory()
    import av

    av.logging.set_level(av.logging.PANIC)
    with av.open(f"file:{path}", options=_OPTIONS) as film:
        if action == "frame":
            made = _jpeg(film, float(seconds))
        else:
            made = _clip(film, float(seconds), float(length))
    sys.stdout.buffer.write(made)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _begin(film: "InputContainer", seconds: float) -> Fraction:
    """Go to the key frame before a second; return that second as the film's packets count it."""
    start = Fraction(film.start_time or 0, 1_000_000)
    target = start + Fraction(seconds).limit_denominator(1000)
    film.seek(max(int(target * 1_000_000), 0), backward=True)
    return target


def _jpeg(film: "InputContainer", seconds: float) -> bytes:
    """Return the last frame that is not after a second, at least the first of the film."""
    target = _begin(film, seconds) + Fraction(1, 1000)  # times are rounded to thousandths
    shown = None
    for frame in film.decode(film.streams.video[0]):
        if shown is not None and _time(frame) > target:
            break
        shown = frame
    if shown is None:
        return b""
    out = io.BytesIO()
    _image(_upright(shown)).save(out, "JPEG", quality=90)
    return out.getvalue()


def _time(frame: object) -> Fraction:
    """Return a frame's time in seconds, as the film counts them; -1 where it has none."""
    count, base = getattr(frame, "pts", None), getattr(frame, "time_base", None)
    return Fraction(-1) if count is None or base is None else count * Fraction(base)


def _clip(film: "InputContainer", seconds: float, length: float) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        _encode(film, made, seconds, length)
    return out.getvalue()


def _encode(film: "InputContainer", made: "OutputContainer", seconds: float, length: float) -> None:
    """Encode from a second on; both streams begin at 0 in the clip."""
    import av

    first = _begin(film, seconds)
    last = first + Fraction(length).limit_denominator(1000)
    sound = next(iter(film.streams.audio), None)
    drawn = _Pictures(made, first)
    heard = _Sound(made) if sound else None
    for frame in film.decode(*filter(None, [film.streams.video[0], sound])):
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


class _Pictures:
    """The video of a clip: upright, eight bits a colour, no larger and no faster than needed."""

    def __init__(self, made: "OutputContainer", first: Fraction) -> None:
        self._made, self._first, self._next = made, first, 0
        self._stream = made.add_stream("libx264", rate=_CLIP_RATE, options={"preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        self._sized = False

    def add(self, frame: "av.VideoFrame", at: Fraction) -> None:
        number = int((at - self._first) * _CLIP_RATE)
        if number < self._next:
            return
        self._next = number + 1
        upright = _upright(frame)
        if not self._sized:
            self._size(upright.width, upright.height)
        small = upright.reformat(self._stream.width, self._stream.height, "yuv420p")
        small.pts, small.time_base = number, Fraction(1, _CLIP_RATE)
        self._made.mux(self._stream.encode(small))

    def _size(self, width: int, height: int) -> None:
        scale = min(1.0, _CLIP_SIDE / max(width, height))
        # H.264 halves the resolution of colour: sides are even.
        self._stream.width = max(2, round(width * scale / 2) * 2)
        self._stream.height = max(2, round(height * scale / 2) * 2)
        self._sized = True

    def end(self) -> None:
        if self._sized:
            self._made.mux(self._stream.encode())


def _upright(frame: "av.VideoFrame") -> "av.VideoFrame":
    import av

    if not frame.rotation:  # degrees against the clock
        return frame
    turned = _image(frame).rotate(frame.rotation, expand=True)
    made: av.VideoFrame = av.VideoFrame.from_image(turned)  # type: ignore[no-untyped-call]
    return made


def _image(frame: "av.VideoFrame") -> "Image":
    image: Image = frame.to_image()  # type: ignore[no-untyped-call]
    return image


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
