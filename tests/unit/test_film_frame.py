"""Single frames and clips of films, decoded in a process of their own."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from components.films import frame
from components.films.frame import clip, frame_at
from components.films.opening import FilmError
from components.settings import ROOT
from tests.films import make_film

SHOTS = [("chelsea.jpg", 2), ("rocket.jpg", 2)]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "a.mp4", SHOTS, sound=True)


def image(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg)).convert("RGB")


def away(shown: Image.Image, name: str) -> float:
    """Return how far a frame's colours are from those of a sample photograph."""
    photo = Image.open(ROOT / "sample_images" / name).convert("RGB")
    means = [np.asarray(each.resize((4, 4)), dtype=float) for each in (shown, photo)]
    return float(np.abs(means[0] - means[1]).mean())


def test_a_frame_is_of_its_second(film: Path) -> None:
    before, after = image(frame_at(film, 1.96)), image(frame_at(film, 2.0))
    assert away(before, "chelsea.jpg") < away(before, "rocket.jpg")
    assert away(after, "rocket.jpg") < away(after, "chelsea.jpg")
    assert image(frame_at(film, 99.0)).size == (160, 120)  # past the end: the last


def test_a_phone_film_is_upright(tmp_path: Path) -> None:
    turned = make_film(tmp_path / "phone.mp4", [("chelsea.jpg", 1)], rotation=90)
    assert image(frame_at(turned, 0.5)).size == (120, 160)
    with av.open(io.BytesIO(clip(turned, 0.0, 1.0)), "r") as made:
        assert (made.streams.video[0].width, made.streams.video[0].height) == (120, 160)


@pytest.mark.parametrize(("suffix", "codec"), [(".avi", "mpeg4"), (".mkv", "libx264")])
def test_a_clip_is_one_that_every_browser_plays(tmp_path: Path, suffix: str, codec: str) -> None:
    path = make_film(tmp_path / f"b{suffix}", SHOTS, size=(1920, 1080), rate=5, codec=codec)
    with av.open(io.BytesIO(clip(path, 1.0, 2.0)), "r") as made:
        video = made.streams.video[0]
        assert (video.codec.name, video.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height) == (1280, 720)
        assert made.duration is not None
        assert 1.5 < made.duration / 1e6 < 2.5


def test_a_clip_has_the_sound(film: Path) -> None:
    with av.open(io.BytesIO(clip(film, 1.0, 2.0)), "r") as made:
        assert [each.type for each in made.streams] == ["video", "audio"]
        assert made.streams.audio[0].codec.name == "aac"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Dear reader,",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\na.mp4\n",
        b"ffconcat version 1.0\nfile a.mp4\n",
    ],
    ids=["empty", "text", "playlist", "list of files"],
)
def test_what_is_no_film_has_a_sentence(film: Path, content: bytes) -> None:
    other = film.with_name("other.mp4")
    other.write_bytes(content)
    with pytest.raises(FilmError, match=r"other\.mp4 cannot be decoded at 0:00:01"):
        frame_at(other, 1.0)


def test_a_film_that_is_gone_or_truncated_has_a_sentence(film: Path, tmp_path: Path) -> None:
    with pytest.raises(FilmError, match=r"gone\.mp4 is not a file any more"):
        clip(tmp_path / "gone.mp4", 0.0)
    half = tmp_path / "half.mp4"
    half.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    with pytest.raises(FilmError, match=r"half\.mp4 cannot be decoded"):
        frame_at(half, 0.0)


def test_a_film_that_never_ends_is_given_up(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(frame._LONGEST_WAIT, "frame", 0.001)
    with pytest.raises(FilmError, match="takes too long to decode at 0:00:01"):
        frame_at(film, 1.0)
