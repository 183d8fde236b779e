"""The encoder returns the vectors of plain transformers, for every family."""

import doctest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from components.bench.baseline import random_clip
from components.encoder import Encoder, load
from components.encoder.runtimes import Array, OutOfMemory, RuntimeUnavailable
from components.images import decode, sample_captions, sample_sources
from components.models import locate, resolve
from components.models.ids import ModelError
from components.scores import Floats, unit
from components.scores.measures import probability
from tests import checkpoints, openai_clip

pytestmark = pytest.mark.slow  # converts or trains a model

CAPTIONS = ["a dog on the beach", "two men", "red cat and a cup of coffee"]
# Pixels that vary in shape, so that resizing and cropping are compared too.
SIZES = ((64, 48), (40, 90), (33, 33))


def _images() -> list[Image.Image]:
    noise = np.random.default_rng(3)
    return [
        Image.fromarray(noise.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in SIZES
    ]


@pytest.fixture(scope="module", params=list(checkpoints.FAMILIES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint of each family."""
    return checkpoints.write(request.param, tmp_path_factory.mktemp("family") / request.param)


@pytest.fixture(scope="module")
def encoder(family: Path) -> Encoder:
    return load(family, precision="f32")


@pytest.fixture(scope="module")
def model(family: Path) -> Any:
    return AutoModel.from_pretrained(family, dtype=torch.float32).eval()


def _image_inputs(folder: Path, images: Sequence[Image.Image]) -> Any:
    return AutoImageProcessor.from_pretrained(folder)(images=list(images), return_tensors="pt")


def _text_inputs(folder: Path, model: Any, texts: Sequence[str]) -> Any:
    """The way each family's documentation prepares captions."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not model.config.model_type.startswith("siglip"):
        return tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    lower = [text.lower() for text in texts]
    padded = tokenizer(
        lower, padding="max_length", max_length=16, truncation=True, return_tensors="pt"
    )
    return {"input_ids": padded["input_ids"]}


def _features(output: Any) -> Floats:
    return unit(output.pooler_output.detach().numpy())


def _min_cosine(ours: Floats, theirs: Floats) -> float:
    return float((ours * theirs).sum(axis=1).min())


def test_the_example_of_load_runs() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(load, "load", globs={})
    assert doctest.DocTestRunner().run(example) == doctest.TestResults(failed=0, attempted=5)


def test_an_id_a_folder_a_spec_and_a_located_model_load_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoints.write("clip", tmp_path / "mine")
    spec = resolve(str(folder))
    monkeypatch.chdir(tmp_path)
    keys = {load(model).key for model in (str(folder), folder, Path("mine"), spec, locate(spec))}
    assert len(keys) == 1
    with pytest.raises(ModelError, match="pocket' is not a model"):
        load(Path("pocket"))  # a path names a folder, never an id


def test_images_are_encoded_as_transformers_does(
    family: Path, encoder: Encoder, model: Any
) -> None:
    expected = _features(model.get_image_features(**_image_inputs(family, _images())))
    got = encoder.images(_images())
    assert got.dtype == np.float32
    assert got.shape == (3, encoder.recipe.width)
    assert _min_cosine(got, expected) >= 0.9999


def test_captions_are_encoded_as_transformers_does(
    family: Path, encoder: Encoder, model: Any
) -> None:
    expected = _features(model.get_text_features(**_text_inputs(family, model, CAPTIONS)))
    assert _min_cosine(encoder.texts(CAPTIONS), expected) >= 0.9999


def test_probabilities_are_those_of_the_model_itself(
    family: Path, encoder: Encoder, model: Any
) -> None:
    inputs = {**_image_inputs(family, _images()), **_text_inputs(family, model, CAPTIONS)}
    with torch.inference_mode():
        logits = model(**inputs).logits_per_image  # (images, captions)
    sigmoid = encoder.recipe.score.kind == "sigmoid"
    expected = logits.sigmoid() if sigmoid else logits.softmax(dim=1)
    cosines = encoder.texts(CAPTIONS) @ encoder.images(_images()).T
    got = probability(cosines, encoder.recipe.score)
    assert sigmoid == model.config.model_type.startswith("siglip")
    np.testing.assert_allclose(got, expected.numpy().T, atol=2e-3)


def test_one_by_one_gives_what_many_at_once_give(encoder: Encoder) -> None:
    images = encoder.images(_images())
    texts = encoder.texts(CAPTIONS)
    alone = np.concatenate([encoder.images([image]) for image in _images()])
    assert _min_cosine(images, alone) >= 0.9999
    alone = np.concatenate([encoder.texts([caption]) for caption in CAPTIONS])
    assert _min_cosine(texts, alone) >= 0.9999


def test_only_models_that_cannot_be_traced_run_on_torch(encoder: Encoder) -> None:
    naflex = encoder.recipe.family == "siglip2"
    assert encoder.runtime.library.startswith("PyTorch" if naflex else "OpenVINO")
    assert ("vary in size" in encoder.note) == naflex


def test_captions_are_cleaned_for_clips_tokenizer_only(encoder: Encoder) -> None:
    assert encoder.recipe.text.clip_clean == (encoder.recipe.family == "clip")


def test_a_long_caption_is_reported_with_what_was_kept(encoder: Encoder) -> None:
    short, long = encoder.read(["a cat", "a dog on the beach " * 40])
    assert not short.cut
    assert not short.kept
    assert long.cut
    assert long.tokens > long.limit
    assert 0 < len(long.kept) < 200


@pytest.mark.parametrize("text", ["", " ", "🏖️🐕", "كلب على الشاطئ", "x" * 5000, "<|endoftext|>"])
def test_any_caption_is_encoded_as_transformers_does(
    family: Path, encoder: Encoder, model: Any, text: str
) -> None:
    expected = _features(model.get_text_features(**_text_inputs(family, model, [text])))
    assert _min_cosine(encoder.texts([text]), expected) >= 0.9999


def test_nothing_in_nothing_out(encoder: Encoder) -> None:
    assert encoder.images([]).shape == (0, encoder.recipe.width)
    assert encoder.texts([]).shape == (0, encoder.recipe.width)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    folder = tmp_path_factory.mktemp("pair")
    yield (
        checkpoints.write_sentence_tower(folder / "text"),
        checkpoints.write("clip", folder / "image"),
    )


def test_a_sentence_transformers_tower_beside_a_clip_tower(pair: tuple[Path, Path]) -> None:
    text, image = pair
    encoder = load(f"{text} + {image}", precision="f32")
    assert encoder.runtime.library.startswith("OpenVINO")
    assert encoder.texts(CAPTIONS).shape == (3, 24)
    assert _min_cosine(encoder.texts(CAPTIONS), _sentence_vectors(text, CAPTIONS)) >= 0.9999
    clip = load(image, precision="f32")
    assert _min_cosine(encoder.images(_images()), clip.images(_images())) >= 0.9999
    assert encoder.recipe.score == clip.recipe.score


def _sentence_vectors(folder: Path, texts: list[str]) -> Floats:
    """Mean pooling and the dense layer by hand, one caption at a time: no padding to mask."""
    from safetensors.torch import load_file

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    weight = load_file(folder / "2_Dense/model.safetensors")["linear.weight"]
    rows = []
    for text in texts:
        hidden = model.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        rows.append((weight @ hidden.mean(0)).detach().numpy())
    return unit(np.stack(rows))


@pytest.fixture(scope="module")
def clip_b32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of CLIP ViT-B/32's own shape, with random weights."""
    folder = tmp_path_factory.mktemp("clip-vit-b-32")
    random_clip(folder)
    return folder


@pytest.mark.parametrize(("precision", "minimum"), [("f32", 0.9999), ("bf16", 0.999)])
def test_clip_vit_b_32_keeps_its_vectors(clip_b32: Path, precision: str, minimum: float) -> None:
    model = AutoModel.from_pretrained(clip_b32, dtype=torch.float32).eval()
    decoded = [decode(source)[1] for source in sample_sources()[:8]]
    with torch.inference_mode():
        pixels = torch.cat([openai_clip.pixel_values(image) for image in decoded])
        images = _features(model.get_image_features(pixel_values=pixels))
        words = _text_inputs(clip_b32, model, CAPTIONS)
        texts = _features(model.get_text_features(**words))
    encoder = load(clip_b32, precision=precision)
    assert encoder.runtime.precision == precision
    assert _min_cosine(encoder.images(decoded), images) >= minimum
    assert _min_cosine(encoder.texts(CAPTIONS), texts) >= minimum


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_narrow_torch_keeps_the_vectors_on_any_device(family: Path, precision: str) -> None:
    """What a GPU runs, on the CPU: every tensor of both towers follows the precision."""
    from components.encoder.runtimes.load_towers import load_towers
    from components.encoder.runtimes.pytorch import TorchRuntime

    located = locate(resolve(str(family)))
    exact = load(located, precision="f32")
    narrow = replace(exact, runtime=TorchRuntime(load_towers(located), "cpu", precision))
    assert narrow.runtime.precision == precision
    assert _min_cosine(narrow.images(_images()), exact.images(_images())) >= 0.999
    assert _min_cosine(narrow.texts(CAPTIONS), exact.texts(CAPTIONS)) >= 0.999


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_on_a_gpu_clip_keeps_its_vectors_in_bf16(clip_b32: Path) -> None:
    located = locate(resolve(str(clip_b32)))
    gpu, cpu = load(located, device="cuda"), load(located, precision="f32", device="cpu")
    assert gpu.runtime.precision in {"bf16", "f16"}
    images = [decode(source)[1] for source in sample_sources()]
    assert _min_cosine(gpu.images(images), cpu.images(images)) >= 0.999
    assert _min_cosine(gpu.texts(CAPTIONS), cpu.texts(CAPTIONS)) >= 0.999


REFERENCE = [
    "page",
    "astronaut",
    "rocket",
    "chelsea",
    "horse",
    "coffee",
    "camera",
    "motorcycle_right",
]


def test_pocket_matches_the_eight_reference_images() -> None:
    encoder = load("pocket")
    named = {Path(source.name).stem: source for source in sample_sources()}
    images = encoder.images([decode(named[stem])[1] for stem in REFERENCE])
    texts = encoder.texts([sample_captions()[f"{stem}.jpg"] for stem in REFERENCE])
    cosines = texts @ images.T
    own = np.arange(len(REFERENCE))
    assert (cosines.argmax(axis=1) == own).sum() >= 7  # captions that find their image
    assert (cosines.argmax(axis=0) == own).sum() >= 6  # images that find their caption


class _SmallDevice:
    """A device with room for three rows."""

    library, device, precision = "none", "none", "f32"

    def __init__(self, room: int) -> None:
        self.room, self.sizes = room, list[int]()

    def images(self, *inputs: Array) -> NDArray[np.float32]:
        self.sizes.append(len(inputs[0]))
        if len(inputs[0]) > self.room:
            raise OutOfMemory("full")
        return np.asarray(inputs[0], dtype=np.float32).reshape(len(inputs[0]), -1)[:, :4]

    def texts(self, ids: Array, mask: Array) -> NDArray[np.float32]:
        return self.images(ids)


def test_a_batch_out_of_memory_is_halved(tmp_path: Path) -> None:
    whole = load(checkpoints.write("clip", tmp_path), precision="f32")
    device = _SmallDevice(room=3)
    small = replace(whole, runtime=device)
    rows = [small.prepare(image) for image in _images() * 4]
    vectors = small.vectors(rows)
    roomy = replace(whole, runtime=_SmallDevice(room=99)).vectors(rows)
    np.testing.assert_array_equal(vectors, roomy)
    assert device.sizes == [12, 6, 3, 3, 6, 3, 3]
    with pytest.raises(OutOfMemory):
        replace(whole, runtime=_SmallDevice(room=0)).vectors(rows)


def _truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _misname(folder: Path) -> None:
    config = folder / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('"projection_dim": 24', '"projection_dim": 7'), "utf-8")


def _lose_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


@pytest.mark.parametrize("damage", [_truncate, _misname, _lose_tokenizer])
def test_a_damaged_checkpoint_gives_one_sentence(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = checkpoints.write("clip", tmp_path / "broken")
    damage(folder)
    with pytest.raises(RuntimeUnavailable, match="broken cannot be loaded: ") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_a_model_cache_that_cannot_be_written_leaves_pytorch_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = checkpoints.write("clip", tmp_path / "clip")
    (tmp_path / "cache").write_text("a file where the folder belongs")
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path / "cache"))
    encoder = load(checkpoint)
    assert encoder.note == "model_cache cannot be written: Not a directory."
    assert encoder.texts(["a cat"]).shape == (1, encoder.recipe.width)
