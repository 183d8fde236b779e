"""How Pocket was made: MobileNetV2 and MiniLM become one dual encoder, on a CPU, in two hours.

1. The text tower learns to say through its first token, which a `VisionTextDualEncoderModel` reads,
   what all-MiniLM-L6-v2 says by its mean: on Flickr8k's captions, ImageNet's names and English
   words. The shared space is MiniLM's own, so words that no photograph here shows keep a meaning.
2. A least-squares fit takes the image tower's features there.
3. Both towers learn together: the contrastive loss, softened by how alike MiniLM finds the
   captions (Andonian et al. 2022), and the names that the backbone's own classifier gives
   (Hinton et al. 2015). Weights are averaged; dev chooses among the epochs.

Half of ImageNet's classes never show a picture, so that naming them can be measured.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    MobileNetV2ImageProcessor,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    VisionTextDualEncoderProcessor,
)

from components.background import captions as everyday_captions
from components.files import write_bytes
from components.retrieval import KS, ranks
from components.training.augment import augment
from components.training.data import Example, read
from components.training.loader import Batch, Pictures, batches, decode_once, steps
from components.training.loop import BEST, Dev, Ended, Plan, Step, load_learned, train

SIDE, WIDTH = 224, 384
TEXT_PLAN = Plan(epochs=1, rate=2e-4, clip=5.0)
PLAN = Plan(epochs=13, rate=4e-4, decay=0.05, average=0.995, clip=5.0, checkpoint_every=31)
PASSES = 2  # over Flickr8k an epoch
BATCH, NAMED = 192, 24  # pictures with captions, and pictures of ImageNet, a step
CAPTIONS = 2  # of a picture a step
NAMES = 112  # of ImageNet's that a step chooses among
SIDES = (160, 192)  # pixels in training, most of the time and in the last epochs
_SOFT, _WARMTH = 0.3, 0.05  # how much MiniLM softens the targets, and its temperature
_NAMING = 0.4  # the weight of naming
_TEXT_SCALE, _HEAD_SCALE = 0.12, 2.0  # learning rates beside the image tower's
_FROZEN = 2  # of the image tower's blocks, after its stem: edges and colours are edges and colours
_FROZEN_TEXT = 3  # of the text tower's six layers, in stage 3, after its word vectors
_LONGEST = 32  # tokens
_TEMPLATES = ("{}", "a photo of a {}", "a {}", "this is a {}", "a picture of the {}")
_Names = tuple[str, ...]
_Event = Step | Dev | Ended


@dataclass(frozen=True)
class Sources:
    """Where the recipe's data lie: Flickr8k, the ImageNet sample, the backbone, and MiniLM."""

    flickr8k: Path
    imagenet: Path
    backbone: Path
    minilm: Path


@dataclass(frozen=True)
class Named:
    """The ImageNet sample: pictures by class, and the names of all 1,000 classes."""

    examples: tuple[Example, ...]
    names: tuple[_Names, ...]

    @property
    def shown(self) -> tuple[int, ...]:
        """The classes whose pictures are trained on: every second one."""
        return tuple(range(0, len(self.names), 2))


def read_named(folder: Path) -> Named:
    """Return the ImageNet sample of ``labels.csv``: image, class_index, wnid, names."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: int(row["class_index"]))
    names = tuple(tuple(row["names"].split(", ")) for row in rows)
    paths = (next(folder.glob(f"**/{row['image']}")) for row in rows)
    return Named(tuple(Example(path, own) for path, own in zip(paths, names, strict=True)), names)


def blank(sources: Sources) -> Any:  # transformers' classes say little of their parts
    """Return the dual encoder with both towers' weights and projections that pass through."""
    vision = MobileNetV2Config.from_pretrained(sources.backbone)
    vision.hidden_size = 1280  # what a dual encoder asks of its image tower
    text = BertConfig.from_pretrained(sources.minilm)
    config = VisionTextDualEncoderConfig.from_vision_text_configs(
        vision, text, projection_dim=WIDTH, logit_scale_init_value=float(np.log(20))
    )
    model: Any = VisionTextDualEncoderModel(config).float()
    for tower, folder in (
        (model.vision_model, sources.backbone),
        (model.text_model, sources.minilm),
    ):
        whole = AutoModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
        tower.load_state_dict(whole.state_dict(), strict=False)
    with torch.no_grad():
        model.text_model.pooler.dense.weight.copy_(torch.eye(WIDTH) / 2)  # tanh is a line near 0
        model.text_model.pooler.dense.bias.zero_()
        model.text_projection.weight.copy_(torch.eye(WIDTH) * 2)
    return model


class Texts:
    """A tokenizer's rows of padded ids, in groups of like length."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def encode(self, texts: Sequence[str], forward: Callable[..., Tensor], group: int) -> Tensor:
        """Return ``forward(ids, mask)`` (n, width) of texts in their order."""
        rows = self.tokenizer(list(texts), truncation=True, max_length=_LONGEST)["input_ids"]
        order = np.argsort([len(row) for row in rows], kind="stable")
        parts = []
        for start in range(0, len(order), group):
            ids = nn.utils.rnn.pad_sequence(
                [torch.tensor(rows[i]) for i in order[start : start + group]], batch_first=True
            )
            parts.append(forward(ids, (ids != 0).long()))
        back = torch.from_numpy(np.argsort(order, kind="stable"))
        return torch.cat(parts)[back]


def teacher_vectors(sources: Sources, texts: Sequence[str]) -> Tensor:
    """Return MiniLM's own unit vectors (n, 384) of texts: the mean over a text's tokens."""
    model = AutoModel.from_pretrained(sources.minilm, dtype=torch.float32, use_safetensors=True)

    def forward(ids: Tensor, mask: Tensor) -> Tensor:
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask[..., None].float()
        return (hidden * weights).sum(1) / weights.sum(1)  # type: ignore[no-any-return] # (n, 384)

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        vectors = Texts(sources.minilm).encode(texts, forward, 256)
    return nn.functional.normalize(vectors.float(), dim=-1).clone()


def _unit(values: Any) -> Tensor:
    pooled = values if isinstance(values, Tensor) else values.pooler_output
    return nn.functional.normalize(pooled.float(), dim=-1)


class TextLearner:
    """Stage 1: the text tower takes on MiniLM's sentence vectors."""

    def __init__(self, module: Any, sources: Sources, texts: list[str]):
        self.module, self.texts = module, texts
        self.targets = teacher_vectors(sources, texts)
        self.reader = Texts(sources.minilm)

    def groups(self) -> list[dict[str, Any]]:
        heads = [*self.module.text_model.pooler.parameters(), self.module.text_projection.weight]
        known = set(map(id, heads))
        rest = [p for p in self.module.text_model.parameters() if id(p) not in known]
        return [{"params": rest, "scale": 1.0}, {"params": heads, "scale": 10.0}]

    def facts(self) -> dict[str, Any]:
        return {"texts": len(self.texts)}

    def steps(self, epoch: int) -> int:
        return len(self.texts) // 256

    def batches(self, epoch: int, first: int) -> Iterator[NDArray[np.intp]]:
        order = np.random.default_rng([1, epoch]).permutation(len(self.texts))
        for number in range(first, self.steps(epoch)):
            yield order[number * 256 : (number + 1) * 256]

    def gradients(self, rows: NDArray[np.intp]) -> float:
        loss = (
            1 - (self._vectors([self.texts[i] for i in rows]) * self.targets[rows]).sum(1)
        ).mean()
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def names(self, rows: NDArray[np.intp]) -> str:
        return f"texts such as {self.texts[rows[0]]!r}"

    def dev(self) -> float:
        """Return the mean cosine of the last texts, which no batch of the last rows leaves out."""
        return float((self._vectors(self.texts[-1000:]) * self.targets[-1000:]).sum(1).mean())

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        return self.reader.encode(
            texts, lambda ids, mask: _text_vectors(self.module, ids, mask), 128
        )


def _text_vectors(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    return _unit(model.get_text_features(input_ids=ids, attention_mask=mask))


def _image_vectors(model: Any, values: Tensor) -> Tensor:
    """Return unit vectors (n, 384) of values (n, 3, side, side) in [0, 1]."""
    values = (values * 2 - 1).contiguous(memory_format=torch.channels_last)
    return _unit(model.get_image_features(pixel_values=values))


@dataclass(frozen=True)
class Material:
    """All that stage 3 learns from."""

    train: Pictures
    dev: Pictures
    sample: Pictures  # ImageNet, row by class
    named: Named
    meaning: (
        Tensor  # (pictures, 384): the mean of MiniLM's vectors of a training picture's captions
    )
    classes: Tensor  # (pictures, 1000): the backbone's own class distribution of training pictures
    sample_classes: Tensor  # (1000, 1000): the same of the sample


@dataclass(frozen=True)
class _Draw:
    """A step's batch: Flickr8k's, the ImageNet rows, the names, and what else is drawn."""

    flickr: Batch
    rows: NDArray[np.intp]
    names: NDArray[np.intp]
    captions: list[str]  # CAPTIONS times the batch's pictures, set by set
    called: list[str]  # a name and template for each of ``names``
    side: int


class PairLearner:
    """Stage 3: both towers together."""

    def __init__(self, module: Any, material: Material, reader: Texts, plan: Plan) -> None:
        self.module, self.material, self.reader, self.plan = module, material, reader, plan
        module.to(memory_format=torch.channels_last)
        tower = module.vision_model
        self.norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        for part in (tower.conv_stem, *tower.layer[:_FROZEN]):
            part.requires_grad_(False)
        text = module.text_model
        for part in (text.embeddings, *text.encoder.layer[:_FROZEN_TEXT]):
            part.requires_grad_(False)

    def groups(self) -> list[dict[str, Any]]:
        model = self.module
        heads = [model.visual_projection.weight, model.text_projection.weight, model.logit_scale]
        image = [p for p in model.vision_model.parameters() if p.requires_grad]
        text = [p for p in model.text_model.parameters() if p.requires_grad]
        return [
            {"params": image, "scale": 1.0},
            {"params": text, "scale": _TEXT_SCALE},
            {"params": heads, "scale": _HEAD_SCALE},
        ]

    def facts(self) -> dict[str, Any]:
        told = (
            BATCH,
            NAMED,
            CAPTIONS,
            NAMES,
            SIDES,
            PASSES,
            _SOFT,
            _WARMTH,
            _NAMING,
            _FROZEN,
            _FROZEN_TEXT,
        )
        return {"pictures": len(self.material.train.examples), "recipe": told}

    def steps(self, epoch: int) -> int:
        return PASSES * steps(self.material.train, BATCH)

    def batches(self, epoch: int, first: int) -> Iterator[_Draw]:
        each = steps(self.material.train, BATCH)
        side = SIDES[epoch >= 0.75 * self.plan.epochs]
        for number in range(PASSES):
            skipped = min(max(0, first - number * each), each)
            seed, epoch_number = self.plan.seed, epoch * PASSES + number
            for i, batch in enumerate(
                batches(self.material.train, BATCH, seed, epoch_number, skipped), start=skipped
            ):
                yield self._draw(batch, np.random.default_rng([2, seed, epoch_number, i]), side)

    def _draw(self, batch: Batch, dice: np.random.Generator, side: int) -> _Draw:
        named = self.material.named
        rows = dice.choice(named.shown, NAMED, replace=False)
        likely = self.material.classes[batch.rows].topk(1).indices.flatten().numpy()
        drawn = np.unique(np.concatenate([rows, likely]))[:NAMES]
        others = np.setdiff1d(np.arange(len(named.names)), drawn)
        names = np.concatenate([drawn, dice.choice(others, NAMES - len(drawn), replace=False)])
        called = [
            str(dice.choice(_TEMPLATES)).format(dice.choice(named.names[name])) for name in names
        ]
        examples = [self.material.train.examples[row] for row in batch.rows]
        picks = [dice.permutation(len(example.captions)) for example in examples]
        captions = [
            _fewer_words(example.captions[pick[turn % len(pick)]], dice)
            for turn in range(CAPTIONS)
            for example, pick in zip(examples, picks, strict=True)
        ]
        return _Draw(batch, rows, names, captions, called, side)

    def gradients(self, batch: _Draw) -> float:
        for norm in self.norms:
            norm.eval()  # ImageNet's statistics stay: 192 pictures of Flickr8k say less
        shown = torch.from_numpy(self.material.sample.pixels[batch.rows])
        pixels = torch.cat([batch.flickr.pixels, shown])
        images = _image_vectors(self.module, augment(pixels, batch.side))
        texts = self.reader.encode([*batch.captions, *batch.called], self._text, 160)
        scale = self.module.logit_scale.exp().clamp(max=100)
        n = len(batch.flickr.rows)
        pairs = self._contrast(images[:n], texts[: CAPTIONS * n], scale, batch)
        loss = pairs + _NAMING * self._name(images, texts[CAPTIONS * n :], scale, batch)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def _text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return _text_vectors(self.module, ids, mask)

    def _contrast(self, images: Tensor, texts: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the symmetric contrastive loss against targets that MiniLM softens.

        images (n, width), texts (CAPTIONS * n, width), set by set.
        """
        meaning = self.material.meaning[batch.flickr.rows]
        alike = (meaning @ meaning.T / _WARMTH).softmax(dim=1)  # (n, n)
        target = (1 - _SOFT) * torch.eye(len(meaning)) + _SOFT * alike
        logits = scale * images @ texts.T  # (n, CAPTIONS * n)
        to_texts = nn.functional.cross_entropy(logits, target.repeat(1, CAPTIONS) / CAPTIONS)
        to_images = nn.functional.cross_entropy(logits.T, target.repeat(CAPTIONS, 1))
        return (to_texts + to_images) / 2

    def _name(self, images: Tensor, names: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the cross-entropy of naming pictures among the step's names.

        The target is the backbone's own distribution over them; on pictures of ImageNet half of
        it is the label.
        """
        n = len(batch.flickr.rows)
        believed = torch.cat(
            [self.material.classes[batch.flickr.rows], self.material.sample_classes[batch.rows]]
        )[:, batch.names].float()
        target = believed / believed.sum(dim=1, keepdim=True).clamp(min=1e-6)
        label = torch.from_numpy(batch.rows)[:, None] == torch.from_numpy(batch.names)[None]
        target[n:] = (target[n:] + label.float()) / 2
        sure = believed[:n].sum(dim=1).clamp(max=1)  # of what the classifier sees, how much is here
        losses = nn.functional.cross_entropy(scale * images @ names.T, target, reduction="none")
        return (losses[:n] * sure).mean() + losses[n:].mean()

    def names(self, batch: _Draw) -> str:
        examples = self.material.train.examples
        return ", ".join(examples[row].image.name for row in batch.flickr.rows[:3]) + ", ..."

    def dev(self) -> float:
        """Return the mean of R@1, R@5 and R@10 both ways on Flickr8k dev, in per cent."""
        return float(np.mean(dev_recall(self.module, self.material.dev, self.reader)))


def _fewer_words(caption: str, dice: np.random.Generator, share: float = 0.1) -> str:
    words = caption.split()
    kept = [word for word in words if dice.random() >= share]
    return " ".join(kept or words)


def dev_recall(model: Any, pictures: Pictures, reader: Texts) -> tuple[float, ...]:
    """Return R@1, R@5, R@10, caption to image and image to caption, in per cent, in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        images = torch.cat(
            [
                _image_vectors(model, torch.from_numpy(part).permute(0, 3, 1, 2).float() / 255)
                for part in np.array_split(pictures.pixels, max(1, len(pictures.pixels) // 50))
            ]
        )
        texts = [text for example in pictures.examples for text in example.captions]
        vectors = reader.encode(texts, lambda ids, mask: _text_vectors(model, ids, mask), 256)
    owner = np.repeat(np.arange(len(images)), [len(e.captions) for e in pictures.examples])
    scores = (vectors @ images.T).numpy()
    known = owner[:, None] == np.arange(len(images))
    both = (ranks(scores, known), ranks(scores.T, known.T))
    return tuple(100 * float((places <= k).mean()) for places in both for k in KS)


def _features(sources: Sources, pictures: Pictures) -> tuple[Tensor, Tensor]:
    """Return the backbone's features (n, 1280) and its class distribution (n, 1000)."""
    model = MobileNetV2ForImageClassification.from_pretrained(sources.backbone, dtype=torch.float32)
    model = model.eval().to(memory_format=torch.channels_last)
    features, classes = [], []
    with torch.inference_mode():
        for part in np.array_split(pictures.pixels, max(1, len(pictures.pixels) // 50)):
            values = torch.from_numpy(part).permute(0, 3, 1, 2).float() / 127.5 - 1
            pooled = model.mobilenet_v2(values.contiguous(memory_format=torch.channels_last))
            features.append(pooled.pooler_output)
            classes.append(model.classifier(pooled.pooler_output)[:, 1:].softmax(dim=1))
    return torch.cat(features).clone(), torch.cat(classes).clone()


def _once(file: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return tensors from ``file``, made first where it is missing."""
    if not file.is_file():
        write_bytes(file, to_bytes(make()))
    return load_file(file)


def _known(
    sources: Sources, train_set: Pictures, sample: Pictures, named: Named
) -> dict[str, Tensor]:
    """Return what stage 3 learns from, and the image projection that it begins with."""
    features, classes = _features(sources, train_set)
    sample_features, sample_classes = _features(sources, sample)
    captions = [text for example in train_set.examples for text in example.captions]
    counts = torch.tensor([len(example.captions) for example in train_set.examples])
    owner = torch.arange(len(counts)).repeat_interleave(counts)
    sums = torch.zeros(len(counts), WIDTH).index_add_(0, owner, teacher_vectors(sources, captions))
    meaning = nn.functional.normalize(sums, dim=1)
    shown = list(named.shown)
    names = teacher_vectors(sources, [f"a photo of a {own[0]}" for own in named.names])
    projection = fit_projection(
        torch.cat([features, sample_features[shown]]), torch.cat([meaning, names[shown]])
    )
    return {
        "meaning": meaning,
        "classes": classes,
        "sample_classes": sample_classes,
        "projection": projection.contiguous(),
    }


def fit_projection(features: Tensor, targets: Tensor) -> Tensor:
    """Return the ridge regression (width, features) from features (n, f) to targets (n, width)."""
    gram = features.T @ features
    ridge = 0.01 * gram.diagonal().mean() * torch.eye(len(gram))
    solved: Tensor = torch.linalg.solve(gram + ridge, features.T @ targets)
    return solved.T


def words(minilm: Path) -> list[str]:
    """Return the whole English words of MiniLM's vocabulary."""
    lines = (minilm / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.isascii() and line.isalpha() and len(line) > 2]


def make(sources: Sources, work: Path, plan: Plan = PLAN) -> Iterator[_Event]:
    """Yield the loop's events of both stages; the checkpoint comes to lie in ``work/pocket``.

    Broken off at any moment, it goes on when it is called again with the same ``work``.
    """
    flickr = read(sources.flickr8k)
    named = read_named(sources.imagenet)
    cache = work / "pictures"
    train_set = decode_once(flickr.split("train"), SIDE, "squeeze", cache)
    captions = [text for example in train_set.examples for text in example.captions]
    model = blank(sources)
    called = [f"a {name}" for own in named.names for name in own]
    plain = [
        f"a photo of a {word}" if i % 2 else word for i, word in enumerate(words(sources.minilm))
    ]
    texts = sorted({*captions, *called, *plain, *everyday_captions()})
    np.random.default_rng(0).shuffle(texts)
    yield from _learn(model, lambda: TextLearner(model, sources, texts), TEXT_PLAN, work / "text")

    dev = decode_once(flickr.split("dev"), SIDE, "squeeze", cache)
    sample = decode_once(named.examples, SIDE, "crop", cache)
    known = _once(work / "known.safetensors", lambda: _known(sources, train_set, sample, named))
    with torch.no_grad():
        model.visual_projection.weight.copy_(known["projection"])
    reader = Texts(sources.minilm)
    tensors = (known["meaning"], known["classes"], known["sample_classes"])
    material = Material(train_set, dev, sample, named, *tensors)
    yield from _learn(
        model, lambda: PairLearner(model, material, reader, plan), plan, work / "pairs"
    )
    save(model, reader, work / "pocket")


def _learn(model: Any, learner: Callable[[], Any], plan: Plan, out: Path) -> Iterator[_Event]:
    """Yield a stage's events, and leave its best weights in the model."""
    if not (out / "done").is_file():
        yield from train(learner(), plan, out)
        (out / "done").touch()
    load_learned(model, load_file(out / BEST))


def save(model: Any, reader: Texts, out: Path) -> None:
    """Write the checkpoint in float16, with its processor, as plain `AutoModel` loads it."""
    model = model.to(memory_format=torch.contiguous_format).half()
    model.save_pretrained(out)
    images = MobileNetV2ImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    VisionTextDualEncoderProcessor(images, reader.tokenizer).save_pretrained(out)
