"""Every file either gives an upright RGB image or one sentence that names it."""

import io
import os
import random
import struct
import subprocess
import sys
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
    sample_captions,
    source_of,
    thumbnail,
)
from components.settings import ROOT, SettingError

RED, BLUE = (220, 30, 30), (20, 40, 200)


def scene(width: int = 64, height: int = 48) -> Image.Image:
    """Red above, blue below: it shows which way is up."""
    image = Image.new("RGB", (width, height), BLUE)
    image.paste(RED, (0, 0, width, height // 2))
    return image


KINDS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    if kind == "HEIF":
        from_pillow(image).save(out, quality=90, **options)
    else:
        image.save(out, kind, **options)
    return out.getvalue()


def is_upright(image: Image.Image) -> bool:
    above = np.asarray(image.getpixel((image.width // 2, image.height // 8)))
    below = np.asarray(image.getpixel((image.width // 2, image.height * 7 // 8)))
    return bool(np.abs(above - RED).max() < 40 and np.abs(below - BLUE).max() < 40)


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_works_whatever_its_name_says(kind: str) -> None:
    photo, image = decode(source_of(encoded(scene(), kind), "mislabelled.jpg"))
    assert image.mode == "RGB"
    assert (photo.width, photo.height) == image.size == (64, 48)
    assert is_upright(image)
    assert not photo.note


def _sentence(data: bytes, name: str = "beach.jpg") -> str:
    with pytest.raises(ImageError) as caught:
        decode(source_of(data, name))
    return str(caught.value)


def noise(width: int = 160, height: int = 120) -> Image.Image:
    """An image that takes every format some bytes to say."""
    return Image.effect_noise((width, height), 90).convert("RGB")


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_download_that_stopped_is_said_to_be_cut_off(kind: str, part: float) -> None:
    data = encoded(noise(), kind)
    sentence = "beach.jpg is cut off: the file ends before the image does."
    assert _sentence(data[: int(len(data) * part)]) == sentence


@pytest.mark.parametrize("beginning", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_broken_image_is_not_taken_for_another_kind_of_file(beginning: bytes) -> None:
    assert "not an image" not in _sentence(beginning + b"\x07" * 50)


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pixels_are_refused_in_every_format(kind: str) -> None:
    with pytest.raises(ImageError, match=r"160 x 120 pixels, above the limit of 19,199"):
        decode(source_of(encoded(noise(), kind), "x"), max_pixels=160 * 120 - 1)
    assert decode(source_of(encoded(noise(), kind), "x"), max_pixels=160 * 120)


def test_a_limit_that_is_no_number_is_not_blamed_on_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CAPTIONLENS_MAX_PIXELS", "many")
    with pytest.raises(SettingError, match="CAPTIONLENS_MAX_PIXELS"):
        decode(source_of(encoded(scene(), "PNG"), "x.png"))


def _png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    data = struct.pack(">I", 40) + b"IDAT"
    return (start + struct.pack(">I", zlib.crc32(body)) + data).ljust(100, b"\0")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "beach.jpg is empty."),
        (b"Dear reader,", "beach.jpg is not an image that can be read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image"),
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


TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _stored(image: Image.Image, orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The pixels as a camera held that way stores them, and the EXIF that says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = TURNS.get(orientation)
    return (image.transpose(turn) if turn is not None else image), exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_exif_rotation_is_undone_in_every_format(orientation: int, kind: str) -> None:
    stored, exif = _stored(scene(), orientation)
    data = encoded(stored, kind, exif=exif.tobytes() if kind == "HEIF" else exif)
    photo, image = decode(source_of(data, "turned"))
    assert (photo.width, photo.height) == image.size == (64, 48)
    assert is_upright(image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(2000, 1500), (2000, 1999)])
def test_a_turned_jpeg_that_is_decoded_small_remembers_its_upright_size(
    orientation: int, size: tuple[int, int]
) -> None:
    stored, exif = _stored(scene(*size), orientation)
    photo, image = decode(source_of(encoded(stored, "JPEG", exif=exif), "turned.jpg"))
    assert (photo.width, photo.height) == size
    assert image.width < size[0]
    assert is_upright(image)


def test_rotation_is_undone_although_the_rest_of_the_exif_is_broken() -> None:
    stored, exif = _stored(scene(), 6)
    exif[0x010F] = "maker"
    broken = bytearray(exif.tobytes())
    broken[broken.index(struct.pack(">H", 0x010F)) + 2] = 0xFF  # a field of no known type
    data = encoded(stored, "JPEG", exif=bytes(broken))
    assert is_upright(decode(source_of(data, "x.jpg"))[1])


def test_broken_exif_costs_nothing() -> None:
    data = encoded(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert is_upright(decode(source_of(data, "x.jpg"))[1])


def test_a_large_jpeg_is_decoded_small_and_remembers_its_size() -> None:
    photo, image = decode(source_of(encoded(scene(4000, 3000), "JPEG"), "large.jpg"), side=320)
    assert (photo.width, photo.height) == (4000, 3000)
    assert image.size == (500, 375)
    assert is_upright(image)


@pytest.mark.parametrize(
    "image",
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
def test_every_mode_becomes_rgb_over_its_whole_range(image: Image.Image) -> None:
    rgb = decode(source_of(encoded(image, "TIFF"), "deep.tif"))[1]
    assert rgb.mode == "RGB"
    assert np.ptp(np.asarray(rgb)) > 30


def test_cmyk_jpeg_keeps_its_colours() -> None:
    assert is_upright(decode(source_of(encoded(scene().convert("CMYK"), "JPEG"), "print.jpg"))[1])


def test_deep_pixels_are_scaled_and_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))
    for kind in ("PNG", "TIFF"):
        rgb = np.asarray(decode(source_of(encoded(Image.fromarray(ramp), kind), "deep"))[1])
        np.testing.assert_allclose(rgb[0, :, 0], np.linspace(0, 255, 64), atol=1)


def test_floats_that_are_no_numbers_do_not_spoil_the_others() -> None:
    values = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    values[0, :3] = (np.nan, np.inf, -np.inf)
    rgb = decode(source_of(encoded(Image.fromarray(values), "TIFF"), "deep.tif"))[1]
    assert [rgb.getpixel((x, 0)) for x in range(3)] == [(0,) * 3, (255,) * 3, (0,) * 3]
    assert rgb.getpixel((63, 47)) == (255, 255, 255)


def test_half_transparent_colours_are_mixed_with_white() -> None:
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 128))
    for kind in ("PNG", "WEBP", "TIFF"):
        rgb = decode(source_of(encoded(image, kind), "glass"))[1].getpixel((4, 4))
        np.testing.assert_allclose(np.asarray(rgb), (227, 127, 127), atol=2)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": image.getpixel((0, 0))} if mode == "P" else {}
    rgb = decode(source_of(encoded(image, "PNG", **options), "logo.png"))[1]
    assert rgb.getpixel((4, 4)) == (255, 255, 255)


def _swapping_profile() -> bytes:
    """A colour profile whose first channel is green and whose second is red."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"swap").replace(b"gXYZ", b"rXYZ").replace(b"swap", b"gXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "P")])
def test_an_embedded_profile_is_heeded(kind: str, mode: str) -> None:
    image = Image.new("RGB", (64, 48), (250, 0, 0)).convert(mode)
    data = encoded(image, kind, icc_profile=_swapping_profile())
    red, green, _ = np.asarray(decode(source_of(data, "wide"))[1])[24, 32]
    assert (red < 50, green > 200) == (True, True)


def test_a_broken_profile_costs_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    chance = random.Random(5)  # noqa: S311 - repeatable
    broken = [_damaged(_swapping_profile(), chance) for _ in range(50)]
    for profile in (srgb, b"not a profile", srgb[:200]):
        data = encoded(scene(), "JPEG", icc_profile=profile)
        assert is_upright(decode(source_of(data, "x.jpg"))[1])
    for profile in filter(None, broken):
        data = encoded(scene(), "JPEG", icc_profile=profile)
        assert decode(source_of(data, "x.jpg"))[1].size == (64, 48)


@pytest.mark.parametrize(
    ("kind", "note"),
    [("GIF", "First of 3 frames."), ("WEBP", "First of 3 frames."), ("TIFF", "First of 3 pages.")],
)
def test_of_several_images_the_first_is_used_and_said_so(kind: str, note: str) -> None:
    others = [Image.new("RGB", (64, 48), shade) for shade in ("green", "black")]
    data = encoded(scene(), kind, save_all=True, append_images=others)
    photo, image = decode(source_of(data, "moving"))
    assert photo.note == note
    assert is_upright(image)


@pytest.mark.parametrize(("kind", "many"), [("GIF", "frames"), ("TIFF", "pages")])
def test_what_follows_the_first_image_does_not_cost_it(kind: str, many: str) -> None:
    data = encoded(noise(), kind, save_all=True, append_images=[noise(), noise()])
    notes = {
        decode(source_of(data[:cut], "x"))[0].note
        for cut in range(len(data) // 2, len(data), len(data) // 90)
    }
    assert f"First of several {many}; the others are damaged." in notes
    assert all(note.startswith("First of ") for note in notes if note)


def test_the_frames_of_an_endless_gif_are_not_counted_through() -> None:
    whole = encoded(Image.new("P", (1, 1)), "GIF")
    frame = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    data = whole[: whole.rindex(b",")] + frame * 5000 + b";"
    assert decode(source_of(data, "x.gif"))[0].note == "First of 1,000 or more frames."


def test_a_tiff_of_endless_pages_is_not_counted_through() -> None:
    page = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in page)
    size = 2 + len(entries) + 4
    pages = [
        struct.pack("<H", 8) + entries + struct.pack("<I", 16 + n * size) for n in range(1, 3000)
    ]
    data = b"II*\0" + struct.pack("<I", 16) + bytes(8) + b"".join(pages)
    assert decode(source_of(data, "x.tif"))[0].note == "First of 1,000 or more pages."


def test_a_phones_extra_images_are_not_spoken_of() -> None:
    data = encoded(scene(2000, 1500), "MPO", save_all=True, append_images=[noise()])
    photo, image = decode(source_of(data, "phone.jpg"))
    assert (photo.width, photo.height, photo.note) == (2000, 1500, "")
    assert image.size == (500, 375)


def test_a_heic_is_decoded_itself_and_not_its_embedded_thumbnail() -> None:
    heif = from_pillow(scene(1200, 900))
    out = io.BytesIO()
    heif.save(out, thumbnails=[512])
    assert decode(source_of(out.getvalue(), "phone.heic"))[1].size == (1200, 900)


@pytest.mark.parametrize("size", [(1, 50_000), (50_000, 1), (1, 1)])
def test_thin_images_can_be_encoded_and_shown(size: tuple[int, int]) -> None:
    from components.encoder.recipe import PixelRecipe

    image = decode(source_of(encoded(scene(*size), "PNG"), "line.png"))[1]
    recipe = PixelRecipe(224, 224, 224, 3, 1 / 255, (0.5,) * 3, (0.5,) * 3)
    assert recipe.pixels(image).shape == (224, 224, 3)
    assert Image.open(io.BytesIO(thumbnail(image))).size[0] >= 1


def test_thumbnails_and_the_large_view_are_small_jpegs_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    data = encoded(scene(4000, 3000), "JPEG", exif=exif, comment="a secret note")
    source = source_of(data, "x.jpg")
    assert b"secret" not in thumbnail(decode(source)[1]) + enlarge(source)
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
    whole = chance.random() < 0.5
    cut = bytearray(data if whole else data[: chance.randrange(len(data) + 1)])
    for _ in range(chance.randrange(6)):
        if cut:
            cut[chance.randrange(len(cut))] = chance.randrange(256)
    return bytes(cut)


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_raises_anything_else(kind: str) -> None:
    whole, chance = encoded(scene(), kind), random.Random(kind)  # noqa: S311 - repeatable
    for _ in range(150):
        try:
            image = decode(source_of(_damaged(whole, chance), "x"), max_pixels=1_000_000)[1]
        except ImageError as error:
            assert str(error).startswith("x ")
        else:
            assert image.mode == "RGB"


def _odd_files() -> list[bytes]:
    """Files whose decoders warn: damaged TIFF tags and strips, a broken APNG, strange floats."""
    exif = Image.Exif()
    exif[0x010E] = "a description of forty letters or more .."
    tiff = encoded(noise(), "TIFF", exif=exif, compression="tiff_lzw")
    moving = bytearray(encoded(noise(), "PNG", save_all=True, append_images=[noise()]))
    frames = moving.index(b"acTL") + 4
    moving[frames : frames + 4] = bytes(4)
    floats = np.frombuffer(struct.pack("<64I", *[0x7FA00000] * 32, *range(32)), dtype=np.float32)
    deep = encoded(Image.fromarray(floats.reshape(8, 8)), "TIFF")
    samples = bytearray(tiff)
    entry = tiff.index(struct.pack("<HHI", 277, 3, 1))  # SamplesPerPixel, one short
    samples[entry + 8 : entry + 10] = struct.pack("<H", 999)
    chance = random.Random(7)  # noqa: S311 - repeatable
    return [
        *(_damaged(tiff, chance) for _ in range(100)),
        *(bytes(moving), deep, bytes(samples), tiff[:-20]),
    ]


def test_what_decoders_report_of_odd_files_stays_off_standard_error(tmp_path: Path) -> None:
    for number, data in enumerate(_odd_files()):
        (tmp_path / f"{number}.bin").write_bytes(data)
    program = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from components.images import ImageError, decode, source_of
        def read(file):
            try:
                return decode(source_of(file), max_pixels=1_000_000)[0].width
            except ImageError:
                return 0
        with ThreadPoolExecutor(4) as pool:
            print(sum(map(bool, pool.map(read, Path(sys.argv[1]).iterdir()))))
    """
    command = [sys.executable, "-c", program, str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert run.stderr == ""
    assert int(run.stdout) >= 10


def test_decoding_in_many_threads_gives_what_one_gives() -> None:
    sources = [source_of(encoded(scene(900 + n, 700), "JPEG"), f"{n}.jpg") for n in range(24)]
    alone = [decode(source)[1].tobytes() for source in sources]
    with ThreadPoolExecutor(8) as pool:
        together = [result[1].tobytes() for result in pool.map(decode, sources)]
    assert alone == together


def test_the_first_images_of_a_process_may_be_decoded_in_many_threads(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / kind).write_bytes(encoded(scene(), kind))
    program = """if True:
        import sys
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from components.images import decode, source_of
        sources = [source_of(Path(file)) for file in sys.argv[1:]] * 4
        with ThreadPoolExecutor(16) as pool:
            assert {photo.width for photo, _ in pool.map(decode, sources)} == {64}
    """
    files = [str(tmp_path / kind) for kind in KINDS]
    subprocess.run([sys.executable, "-c", program, *files], cwd=ROOT, check=True, timeout=60)


def test_a_file_is_left_closed(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / kind).write_bytes(encoded(scene(), kind))
    files = Path("/proc/self/fd")
    if not files.exists():
        pytest.skip("open files are listed in /proc on Linux alone")
    decoded = [decode(source_of(tmp_path / kind)) for kind in KINDS]
    links = [str(link.readlink()) for link in files.iterdir() if link.is_symlink()]
    assert len(decoded) == len(KINDS)
    assert not any(link.startswith(str(tmp_path)) for link in links)


def _refuse(*_: object) -> bytes:
    raise PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_read_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.jpg").write_bytes(b"x")
    monkeypatch.setattr(Path, "read_bytes", _refuse)
    with pytest.raises(ImageError, match=r"^mine.jpg cannot be read: Permission denied\.$"):
        decode(source_of(tmp_path / "mine.jpg"))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "film.jpg").open("wb") as hole:
        hole.truncate(200_000_001)
    with pytest.raises(ImageError, match=r"^film.jpg is larger than 200 MB\.$"):
        decode(source_of(tmp_path / "film.jpg"))


@pytest.mark.parametrize("path", [Path("a\0.jpg"), Path("x" * 300 + ".jpg")])
def test_paths_that_no_system_allows_are_said_so(path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        decode(source_of(path))
    assert len(find_images([path])[1]) == 1


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
        ("", "image"),
        ("..", "image"),
        ("two\u2028lines.jpg", "twolines.jpg"),
        ("👩‍🚀 käse.jpg", "👩‍🚀 käse.jpg"),
        ("\udcff.jpg", "?.jpg"),
    ],
)
def test_names_are_safe_to_show(name: str, shown: str) -> None:
    assert source_of(b"x", name) == Source(shown, b"x")


def test_long_names_keep_their_end() -> None:
    assert len(source_of(b"x", "y" * 999 + ".jpg").name) == 200
    assert source_of(b"x", "y" * 999 + ".jpg").name.endswith(".jpg")


def test_a_folder_gives_its_images_in_natural_order(tmp_path: Path) -> None:
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


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "scandir", _refuse_locked(os.scandir))
    sources, errors = find_images([tmp_path])
    assert not sources
    assert [str(error) for error in errors] == ["locked cannot be read: Permission denied."]


def _refuse_locked(scandir: Callable[[str], object]) -> Callable[[str], object]:
    def listed(folder: str) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    return listed


def test_links_that_lead_nowhere_end_the_search_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "round.jpg").symlink_to(tmp_path / "round.jpg")
    for name in ("b.jpg", "B.jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"x")
    names = [source.name for source in find_images([tmp_path])[0]]
    assert names == ["a.jpg", "B.jpg", "b.jpg"]


def test_the_samples_are_found() -> None:
    assert len(find_images([ROOT / "sample_images"])[0]) == len(sample_captions())
