"""Which models there are, which are on disk, and what is refused as one."""

import json
from pathlib import Path

import pytest

from components import models
from components.models import CATALOGUE, disk
from components.models.catalogue import LAION, OPENAI, POCKET
from components.models.disk import DownloadManifest, NotOnDisk
from components.models.ids import ModelError

REVISION = "a" * 40
CLIP = {"config.json": b'{"model_type": "clip"}', "model.safetensors": b"weights"}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def download(name: str, files: dict[str, bytes], asked_for: str | None = None) -> Path:
    """Lay files as a finished download does."""
    folder = put(disk.folder_of(name, REVISION), files)
    sizes = {file: len(data) for file, data in files.items()}
    disk.write_manifest(DownloadManifest(name, asked_for or name, REVISION, sizes))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_catalogue_names_six_models_with_their_figures() -> None:
    assert [card.spec.id for card in CATALOGUE] == [
        "pocket",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "openai/clip-vit-base-patch32",
        "openai/clip-vit-large-patch14",
        "google/siglip2-base-patch16-224",
        "sentence-transformers/clip-ViT-B-32-multilingual-v1 + openai/clip-vit-base-patch32",
    ]
    assert all(card.licence and card.languages and card.good_for for card in CATALOGUE)
    assert all(models.resolve(card.spec.id) == card.spec for card in CATALOGUE)


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "clip", "a/b/c", "../x", "a/../b", "/nowhere/at/all", "a/b\0", "x" * 300),
        *("https://example.org/a/b", "a/b + c/d + e/f", "a/.hidden", "-a/b", "a/b--c"),
    ],
)
def test_what_cannot_be_a_model_is_rejected(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # so that "../x" names no folder
    with pytest.raises(ModelError, match=r"is not a (model|pair)"):
        models.resolve(name)


def test_the_catalogue_gives_pockets_size_on_disk() -> None:
    card = CATALOGUE[0]
    size = sum(file.stat().st_size for file in POCKET.rglob("*") if file.is_file())
    assert card.spec.id == "pocket"
    assert card.size_mb == round(size / 1e6)


def test_a_hub_id_a_folder_and_a_pair_are_resolved(tmp_path: Path) -> None:
    assert models.resolve(" org/name ").parts == ("org/name",)
    folder = put(tmp_path / "mine", CLIP)
    assert models.resolve(str(folder)).parts == (str(folder),)
    assert models.resolve(f"org/text + {folder}").parts == (str(folder), "org/text")


def test_pocket_is_always_on_disk_and_stays() -> None:
    pocket = models.resolve("pocket")
    assert len(models.locate(pocket).revision) == 12
    with pytest.raises(ModelError, match="Pocket is part of the app"):
        models.remove(pocket)


def test_a_download_is_located_when_it_is_whole() -> None:
    spec = models.resolve("org/clip")
    with pytest.raises(NotOnDisk, match="clip is not on disk: download it first"):
        models.locate(spec)
    folder = download("org/clip", CLIP)
    assert models.locate(spec) == models.Located(spec, folder, None, REVISION)
    assert spec in models.on_disk()


@pytest.mark.parametrize("damage", ["missing", "short", "no manifest", "broken manifest"])
def test_half_a_download_is_never_located(damage: str) -> None:
    folder = download("org/clip", CLIP)
    manifest = disk.store() / "org--clip.json"
    if damage == "missing":
        (folder / "model.safetensors").unlink()
    elif damage == "short":
        (folder / "model.safetensors").write_bytes(b"w")
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_text(manifest.read_text(encoding="utf-8")[:40], encoding="utf-8")
    with pytest.raises(NotOnDisk):
        models.locate(models.resolve("org/clip"))
    assert models.resolve("org/clip") not in models.on_disk()


def test_a_manifest_cannot_point_out_of_the_cache() -> None:
    download("org/clip", CLIP)
    manifest = disk.store() / "org--clip.json"
    content = json.loads(manifest.read_text(encoding="utf-8")) | {"revision": "../../../etc"}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NotOnDisk):
        models.locate(models.resolve("org/clip"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"config.json": b'{"model_type": "bert"}', "model.safetensors": b""}, "dual encoder"),
        ({"model.safetensors": b""}, "no config.json"),
        ({"config.json": b"{"}, "unreadable config.json"),
        ({"config.json": CLIP["config.json"], "pytorch_model.bin": b""}, "pickles"),
        ({"config.json": CLIP["config.json"]}, "no safetensors weights"),
        (
            {"config.json": CLIP["config.json"], "model-00001-of-00002.safetensors": b""},
            "no safetensors weights",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_is_rejected(
    files: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=reason):
        models.locate(models.resolve(str(put(tmp_path / "mine", files))))


def test_a_pair_needs_both_parts_and_a_sentence_transformers_text(tmp_path: Path) -> None:
    image = put(tmp_path / "image", CLIP)
    with pytest.raises(ModelError, match=r"without a modules\.json"):
        models.locate(models.resolve(f"{image} + {image}"))
    text = put(tmp_path / "text", {"modules.json": b"[]", "model.safetensors": b""})
    located = models.locate(models.resolve(f"{text} + {image}"))
    assert (located.image, located.text) == (image, text)
    pickled = put(tmp_path / "pickled", {"modules.json": b"[]", "model.safetensors": b""})
    put(pickled, {"2_Dense/pytorch_model.bin": b""})
    with pytest.raises(ModelError, match="pickles"):
        models.locate(models.resolve(f"{pickled} + {image}"))


def test_a_downloaded_pair_is_found_again() -> None:
    name = "org/text + org/clip"
    download("org/clip", CLIP, name)
    assert models.resolve(name) not in models.on_disk()
    download("org/text", {"modules.json": b"[]", "model.safetensors": b""}, name)
    assert models.resolve(name) in models.on_disk()
    assert models.locate(models.resolve(name)).revision == f"{REVISION}+{REVISION}"


def test_a_download_outlives_the_folder_that_it_was_paired_with(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    download("org/clip", CLIP, f"{gone} + org/clip")
    assert models.is_on_disk(models.resolve("org/clip"))
    assert models.resolve("org/clip") in models.on_disk()


def test_weights_below_the_top_are_no_image_tower(tmp_path: Path) -> None:
    folder = put(tmp_path / "mine", {"config.json": CLIP["config.json"]})
    put(folder, {"vision/model.safetensors": b"weights"})
    with pytest.raises(ModelError, match="no safetensors weights"):
        models.locate(models.resolve(str(folder)))


def test_the_default_is_clip_where_it_is_on_disk() -> None:
    assert models.default_id() == "pocket"
    download(OPENAI, CLIP)
    assert models.default_id() == OPENAI
    download(LAION, CLIP)
    assert models.default_id() == LAION


def test_removing_frees_the_bytes_and_spares_a_persons_own_folder(tmp_path: Path) -> None:
    download("org/clip", CLIP)
    assert models.remove(models.resolve("org/clip")) == sum(map(len, CLIP.values()))
    assert not models.is_on_disk(models.resolve("org/clip"))
    own = put(tmp_path / "mine", CLIP)
    with pytest.raises(ModelError, match="a folder of your own"):
        models.remove(models.resolve(str(own)))
    assert (own / "model.safetensors").is_file()


def test_a_folder_has_another_revision_when_its_files_change(tmp_path: Path) -> None:
    spec = models.resolve(str(put(tmp_path / "mine", CLIP)))
    before = models.locate(spec).revision
    assert models.locate(spec).revision == before
    put(tmp_path / "mine", {"model.safetensors": b"other weights"})
    assert models.locate(spec).revision != before
