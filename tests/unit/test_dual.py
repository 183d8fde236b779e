"""Fine-tuning: trained weights, GradCache's gradients, LoRA, every family saved and loaded."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from components import models
from components.datasets.captioned import read
from components.encoder import Encoded, encode, load
from components.encoder.runtimes import RuntimeUnavailable, prepared
from components.images import source_of
from components.models import Located, locate, resolve
from components.training.dual import DualLearner, LossName, Trains, Tuning
from components.training.gradcache import gradients
from components.training.jobs import DualJob
from components.training.learner import TrainingError
from components.training.loader import DecodedExamples, decode_once
from components.training.loop import BEST, train
from components.training.losses import info_nce
from components.training.plan import Plan
from components.training.run import Comparison, run
from components.training.weights import load_learned
from tests import checkpoints
from tests.pairs import write_pairs

pytestmark = pytest.mark.slow  # converts or trains a model

FAMILIES = ["clip", "siglip", "vision-text-dual-encoder", "chinese_clip", "altclip"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DecodedExamples:
    folder = write_pairs(tmp_path_factory.mktemp("pairs"))
    return decode_once(read(folder).examples, checkpoints.SIDE, "crop", folder / "cache")


def located(family: str, folder: Path) -> Located:
    return locate(resolve(str(checkpoints.write(family, folder))))


def plan(epochs: int = 1, rate: float = 1e-3) -> Plan:
    return Plan(epochs=epochs, rate=rate, precision="f32")


def test_gradcache_gives_the_gradients_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    towers = nn.ModuleDict({"image": nn.Linear(6, 4), "text": nn.Linear(5, 4)}).double()
    scale = nn.Parameter(torch.tensor(5.0, dtype=torch.float64))
    images, captions = torch.randn(12, 6).double(), torch.randn(12, 5).double()

    def forward(rows: slice) -> tuple[Tensor, Tensor]:
        unit = nn.functional.normalize
        return unit(towers["image"](images[rows])), unit(towers["text"](captions[rows]))

    def gradients_of(parts: list[slice]) -> tuple[float, list[Tensor]]:
        values = [*towers.parameters(), scale]
        for value in values:
            value.grad = None
        loss = gradients(parts, forward, lambda a, b: info_nce(a.double(), b.double(), scale))
        return loss, [value.grad.clone() for value in values if value.grad is not None]

    whole = gradients_of([slice(0, 12)])
    split = gradients_of([slice(0, 5), slice(5, 10), slice(10, 12)])
    assert split[0] == pytest.approx(whole[0], abs=1e-6)
    assert len(split[1]) == 5
    for one, other in zip(whole[1], split[1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)


def test_gradcache_repeats_dropout_in_both_passes() -> None:
    torch.manual_seed(0)
    layer, drop = nn.Linear(4, 4), nn.Dropout(0.5)
    seen: list[Tensor] = []

    def forward(rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(drop(layer(rows)))
        return seen[-1], seen[-1] + 1

    gradients([torch.ones(2, 4), torch.ones(2, 4)], forward, lambda a, b: (a * b).sum())
    torch.testing.assert_close(seen[0], seen[2].detach())
    torch.testing.assert_close(seen[1], seen[3].detach())
    assert not torch.equal(seen[0], seen[1])


@pytest.fixture
def on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load without conversion to OpenVINO, whose vectors test_encoder compares for each family."""

    def refuse(located: Located) -> Path:
        raise RuntimeUnavailable(f"{located.spec.name} runs on torch in this test.")

    monkeypatch.setattr(prepared, "prepare", refuse)


def _png(pixels: "np.ndarray") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.mark.usefixtures("on_torch")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_tuned_saved_and_loaded_with_the_same_vectors(
    family: str, tmp_path: Path, data: DecodedExamples
) -> None:
    base = located(family, tmp_path / "base")
    job = DualJob(plan(), base.spec.id, Tuning(batch=8))
    events = list(run(job, (data, data), tmp_path / "run"))
    assert isinstance(events[-1], Comparison)
    tuned = load(tmp_path / "run" / "model", "f32")
    learner = DualLearner(base, (data, data), job.plan, job.tuning)
    load_learned(learner.module, load_file(tmp_path / "run" / BEST))
    _, images, _ = learner.vectors()
    sources = [source_of(_png(pixels), "x.png") for pixels in data.pixels[:6]]
    vectors = [each.vector for each in encode(tuned, sources) if isinstance(each, Encoded)]
    # float16 on the disk
    assert (np.stack(vectors) * images[:6]).sum(axis=1).min() > 0.98
    texts = tuned.texts([example.captions[0] for example in data.examples[:6]])
    assert np.abs(texts - learner.vectors()[0][:6]).max() < 0.02


@pytest.mark.usefixtures("on_torch")
def test_a_pair_of_towers_is_tuned_and_kept_under_a_name(
    tmp_path: Path, data: DecodedExamples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPTIONLENS_MODEL_CACHE", str(tmp_path / "cache"))
    text = checkpoints.write_sentence_tower(tmp_path / "text", width=24)
    image = checkpoints.write("clip", tmp_path / "image")
    base = locate(resolve(f"{text} + {image}"))
    job = DualJob(plan(), base.spec.id, Tuning(batch=8))
    list(run(job, (data, data), tmp_path / "run"))
    spec = models.keep_trained(tmp_path / "run" / "model", "two towers")
    assert spec in models.on_disk()
    before, after = load(base, "f32"), load("trained:two towers", "f32")
    moved = (before.texts(["a dog"]) * after.texts(["a dog"])).sum()
    assert 0.5 < moved < 0.99999
    assert models.remove(spec) > 0
    assert spec not in models.on_disk()


@pytest.mark.parametrize(
    ("trains", "trained", "frozen"),
    [
        ("projections", "visual_projection.weight", "vision_model.encoder.layers.1.mlp.fc1.weight"),
        (
            "last",
            "text_model.encoder.layers.1.mlp.fc1.weight",
            "text_model.encoder.layers.0.mlp.fc1.weight",
        ),
        ("full", "text_model.embeddings.token_embedding.weight", ""),
    ],
)
def test_only_the_chosen_weights_are_trained(
    trains: Trains, trained: str, frozen: str, tmp_path: Path, data: DecodedExamples
) -> None:
    tuning = Tuning(trains, last=1, batch=8)
    learner = DualLearner(located("clip", tmp_path / "base"), (data, data), plan(), tuning)
    named = dict(learner.module.named_parameters())
    learning = {name for name, value in named.items() if value.requires_grad}
    assert any(name.endswith(trained) for name in learning)
    assert not frozen or not any(name.endswith(frozen) for name in learning)
    before = {name: value.clone() for name, value in named.items()}
    list(train(learner, plan(), tmp_path / "run"))
    changed = {name for name, value in named.items() if not torch.equal(value, before[name])}
    assert changed <= learning
    assert any(name.endswith(trained) for name in changed)


@pytest.mark.usefixtures("on_torch")
def test_lora_trains_small_matrices_that_saving_merges_into_the_weights(
    tmp_path: Path, data: DecodedExamples
) -> None:
    base = located("clip", tmp_path / "base")
    tuning = Tuning("lora", rank=2, batch=8)
    learner = DualLearner(base, (data, data), plan(2, 1e-2), tuning)
    learning = [name for name, value in learner.module.named_parameters() if value.requires_grad]
    assert all("lora_" in name or "logit_scale" in name for name in learning)
    list(train(learner, learner.plan, tmp_path / "run"))
    load_learned(learner.module, load_file(tmp_path / "run" / BEST))
    texts, _, _ = learner.vectors()
    learner.save(tmp_path / "model")
    names = load_file(tmp_path / "model" / "model.safetensors").keys()
    assert names == load_file(base.image / "model.safetensors").keys()
    tuned = load(tmp_path / "model", "f32")
    captions = [example.captions[0] for example in data.examples[:4]]
    assert np.abs(tuned.texts(captions) - texts[:4]).max() < 0.02
    assert np.abs(load(base, "f32").texts(captions) - texts[:4]).max() > 0.02


def test_pocket_overfits_32_pairs(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs")
    tuning = Tuning("last", batch=32, chunk=16, crop=1.0)
    job = DualJob(plan(32, 2e-4), tuning=tuning)
    images = decode_once(read(folder).examples, 96, job.decoding().fit, folder / "cache")
    events = list(run(job, (images, images), tmp_path / "run"))
    assert isinstance(events[-1], Comparison)
    assert events[-1].after.caption_to_image[0] >= 0.95
    assert events[-1].after.image_to_caption[0] >= 0.95


@pytest.mark.parametrize("loss", ["contrastive", "sigmoid", "triplet"])
def test_every_loss_overfits_32_pairs(
    loss: LossName, tmp_path: Path, data: DecodedExamples
) -> None:
    base = located("clip", tmp_path / "base")
    tuning = Tuning("full", loss=loss, batch=32, crop=1.0)
    learner = DualLearner(base, (data, data), plan(200), tuning)
    list(train(learner, learner.plan, tmp_path / "run"))
    texts, images, owner = learner.vectors()
    assert ((texts @ images.T).argmax(axis=1) == owner).mean() >= 0.95


def test_a_model_of_images_of_any_shape_cannot_be_tuned(
    tmp_path: Path, data: DecodedExamples
) -> None:
    base = located("siglip2", tmp_path)  # NaFlex
    with pytest.raises(TrainingError, match="any shape"):
        DualLearner(base, (data, data), plan(), Tuning())
    with pytest.raises(TrainingError, match="any shape"):
        DualJob(plan(), base.spec.id).decoding()


def test_an_older_matcher_cannot_be_tuned(tmp_path: Path, data: DecodedExamples) -> None:
    from components.encoder.matchers import vocabulary
    from components.encoder.matchers.saved import save_matcher
    from components.training import pair_matcher

    tokenizer = vocabulary.learn(["a dog"], min_count=1)
    save_matcher(tmp_path / "old", *pair_matcher.blank(tokenizer, 0), tokenizer)
    with pytest.raises(TrainingError, match="is not a dual encoder"):
        DualLearner(locate(resolve(str(tmp_path / "old"))), (data, data), plan(), Tuning())
