"""Every file either gives an upright RGB picture or one sentence that names it."""

import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import from_pillow

from components.images import (
    ImageError,
    Source,
    decode,
    enlarge,
    find_images,
    source_of,
    thumbnail,
)
from components.settings import ROOT

RED, BLUE = (220, 30, 30), (20, 40, 200)


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red above, blue below: it shows which way is up."""
    picture = Image.new("RGB", (width, height), BLUE)
    picture.paste(RED, (0, 0, width, height // 2))
    return picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        from_pillow(picture).save(out, quality=90)
    else:
        picture.save(out, kind, **options)
    return out.getvalue()


def is_upright(picture: Image.Image) -> bool:
    above = np.asarray(picture.getpixel((picture.width // 2, picture.height // 8)))
    below = np.asarray(picture.getpixel((picture.width // 2, picture.height * 7 // 8)))
    return bool(np.abs(above - RED).max() < 40 and np.abs(below - BLUE).max() < 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_every_format_works_whatever_its_name_says(kind: str) -> None:
    photo, picture = decode(source_of(encoded(scene(), kind), "mislabelled.jpg"))
    assert picture.mode == "RGB"
    assert (photo.width, photo.height) == picture.size == (64, 48)
    assert is_upright(picture)
    assert not photo.note


def _sentence(data: bytes, name: str = "beach.jpg") -> str:
    with pytest.raises(ImageError) as caught:
        decode(source_of(data, name))
    return str(caught.value)


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    data = struct.pack(">I", 40) + b"IDAT"
    return (start + struct.pack(">I", zlib.crc32(body)) + data).ljust(100, b"\0")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "beach.jpg is empty."),
        (b"Dear reader,", "beach.jpg is not a picture that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
        (encoded(scene(), "JPEG")[:400], "beach.jpg is"),
        (encoded(scene(640, 480), "JPEG")[:3000], "beach.jpg is cut off"),
        (encoded(scene(), "PNG")[:100], "beach.jpg is"),
        (_png_header(30_000, 30_000), "beach.jpg has 30,000 x 30,000 pixels, above the limit of"),
    ],
    ids=["empty", "text", "eps", "svg", "cut-early", "cut-late", "cut-png", "huge"],
)
def test_bad_files_are_named_in_one_sentence(data: bytes, sentence: str) -> None:
    assert sentence in _sentence(data)


def test_the_pixel_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_PIXELS", "1000")
    assert "64 x 48 pixels" in _sentence(encoded(scene(), "PNG"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 48), (2000, 1500)])
def test_exif_rotation_is_undone(orientation: int, size: tuple[int, int]) -> None:
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene(*size)
    if orientation in turns:
        stored = stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo, picture = decode(source_of(encoded(stored, "JPEG", exif=exif), "turned.jpg"))
    assert (photo.width, photo.height) == size
    assert is_upright(picture)


def test_broken_exif_costs_nothing() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert is_upright(decode(source_of(data, "x.jpg"))[1])


def test_a_large_jpeg_is_decoded_small_and_remembers_its_size() -> None:
    photo, picture = decode(source_of(encoded(scene(4000, 3000), "JPEG"), "large.jpg"), side=320)
    assert (photo.width, photo.height) == (4000, 3000)
    assert picture.size == (500, 375)
    assert is_upright(picture)


@pytest.mark.parametrize(
    "picture",
    [
        scene().convert("CMYK"),
        scene().convert("L"),
        scene().convert("1"),
        Image.fromarray((np.arange(48 * 64).reshape(48, 64) * 21).astype(np.uint16)),
        Image.fromarray(np.arange(48 * 64, dtype=np.int32).reshape(48, 64) * 1000),
        Image.fromarray(np.linspace(-5, 5, 48 * 64, dtype=np.float32).reshape(48, 64)),
    ],
    ids=["cmyk", "grey", "one-bit", "16-bit", "32-bit", "float"],
)
def test_every_mode_becomes_rgb_over_its_whole_range(picture: Image.Image) -> None:
    rgb = decode(source_of(encoded(picture, "TIFF"), "deep.tif"))[1]
    assert rgb.mode == "RGB"
    assert np.ptp(np.asarray(rgb)) > 30


def test_cmyk_jpeg_keeps_its_colours() -> None:
    assert is_upright(decode(source_of(encoded(scene().convert("CMYK"), "JPEG"), "print.jpg"))[1])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str) -> None:
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": picture.getpixel((0, 0))} if mode == "P" else {}
    rgb = decode(source_of(encoded(picture, "PNG", **options), "logo.png"))[1]
    assert rgb.getpixel((4, 4)) == (255, 255, 255)


def test_an_embedded_profile_is_heeded_and_a_broken_one_is_not_fatal() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (lab, b"not a profile", lab[:200]):
        data = encoded(scene(), "JPEG", icc_profile=profile)
        assert is_upright(decode(source_of(data, "x.jpg"))[1])


@pytest.mark.parametrize(
    ("kind", "note"),
    [("GIF", "First of 3 frames."), ("WEBP", "First of 3 frames."), ("TIFF", "First of 3 pages.")],
)
def test_of_several_pictures_the_first_is_used_and_said_so(kind: str, note: str) -> None:
    others = [Image.new("RGB", (64, 48), shade) for shade in ("green", "black")]
    data = encoded(scene(), kind, save_all=True, append_images=others)
    photo, picture = decode(source_of(data, "moving"))
    assert photo.note == note
    assert is_upright(picture)


@pytest.mark.parametrize("size", [(1, 50_000), (50_000, 1), (1, 1)])
def test_thin_pictures_can_be_encoded_and_shown(size: tuple[int, int]) -> None:
    from components.recipe import PixelRecipe

    picture = decode(source_of(encoded(scene(*size), "PNG"), "line.png"))[1]
    recipe = PixelRecipe(224, 224, 224, 3, 1 / 255, (0.5,) * 3, (0.5,) * 3)
    assert recipe.pixels(picture).shape == (224, 224, 3)
    assert Image.open(io.BytesIO(thumbnail(picture))).size[0] >= 1


def test_thumbnails_and_the_large_view_are_small_jpegs_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    source = source_of(encoded(scene(4000, 3000), "JPEG", exif=exif), "x.jpg")
    small = Image.open(io.BytesIO(thumbnail(decode(source)[1])))
    large = Image.open(io.BytesIO(enlarge(source)))
    assert (small.size, large.size) == ((320, 240), (1600, 1200))
    assert not small.getexif()
    assert not large.getexif()


def test_the_digest_is_of_the_bytes_and_not_of_the_name(tmp_path: Path) -> None:
    data = encoded(scene(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    named, filed = decode(source_of(data, "b.png"))[0], decode(source_of(tmp_path / "a.png"))[0]
    assert named.digest == filed.digest
    assert named.digest != decode(source_of(data + b"\0", "b.png"))[0].digest


def _damaged(data: bytes, chance: random.Random) -> bytes:
    cut = bytearray(data[: chance.randrange(len(data) + 1)])
    for _ in range(chance.randrange(6)):
        if cut:
            cut[chance.randrange(len(cut))] = chance.randrange(256)
    return bytes(cut)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"])
def test_no_damage_raises_anything_else(kind: str) -> None:
    whole, chance = encoded(scene(), kind), random.Random(kind)  # noqa: S311 - repeatable
    for _ in range(150):
        try:
            picture = decode(source_of(_damaged(whole, chance), "x"), max_pixels=1_000_000)[1]
        except ImageError as error:
            assert str(error).startswith("x ")
        else:
            assert picture.mode == "RGB"


def test_decoding_in_many_threads_gives_what_one_gives() -> None:
    sources = [source_of(encoded(scene(900 + n, 700), "JPEG"), f"{n}.jpg") for n in range(24)]
    alone = [decode(source)[1].tobytes() for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = [result[1].tobytes() for result in pool.map(decode, sources)]
    assert alone == together


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.jpg")
    return folder / "pipe.jpg"


@pytest.mark.parametrize(
    "make",
    [_fifo, lambda folder: folder, lambda folder: folder / "gone.jpg"],
    ids=["pipe", "folder", "gone"],
)
def test_what_is_no_file_is_said_to_be_none(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"is not a file|cannot be read"):
        decode(source_of(make(tmp_path)))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd.jpg", "etc/passwd.jpg"),
        ("C:\\photos\\a.jpg", "C:/photos/a.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("line\nbreak\x00.jpg", "linebreak.jpg"),
        ("", "picture"),
        ("..", "picture"),
        ("👩‍🚀 käse.jpg", "👩‍🚀 käse.jpg"),
        ("\udcff.jpg", "?.jpg"),
    ],
)
def test_names_are_safe_to_show(name: str, shown: str) -> None:
    assert source_of(b"x", name) == Source(shown, b"x")


def test_long_names_keep_their_end() -> None:
    assert len(source_of(b"x", "y" * 999 + ".jpg").name) == 200
    assert source_of(b"x", "y" * 999 + ".jpg").name.endswith(".jpg")


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    outside.write_bytes(b"x")
    folder = tmp_path / "folder"
    for name in ("10.jpg", "2.JPG", "sub/1.png", ".hidden.jpg", ".git/3.jpg", "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    (folder / "away.jpg").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "near.jpg").symlink_to(folder / "2.JPG")
    sources, missing = find_images([folder, outside, tmp_path / "gone"])
    names = ["2.JPG", "10.jpg", "near.jpg", "sub/1.png", "outside.jpg"]
    assert [source.name for source in sources] == names
    assert [str(error) for error in missing] == ["gone does not exist."]


def test_the_samples_are_found() -> None:
    assert len(find_images([ROOT / "sample_images"])[0]) >= 20
