"""Pocket's two learners: first the text tower on fixed image features, then both towers.

Both minimise the contrastive loss on captioned images, its targets softened by the captions'
similarity in all-MiniLM-L6-v2 (Andonian et al. 2022), and the classification loss on names of
ImageNet's classes, whose targets are the class probabilities of MobileNetV2's own classifier
(distillation, Hinton et al. 2015). Each batch is of one captioned dataset: images of different
datasets are told apart too easily to teach anything.

Fifteen thousand images are soon overfitted. A strong remedy is dropping half of the image tower's
features at every step (Srivastava et al. 2014). The weights are averaged.

Training uses crops of 192 pixels, evaluation whole images of 224: objects appear larger in a crop
than in a whole image of the same size (Touvron et al. 2019, "Fixing the train-test resolution
discrepancy").
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.encoder.runtimes.towers import unwrap
from components.scores import mean_recall
from components.training.augment import augment
from components.training.learner import unit
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.plan import Plan
from components.training.pocket.material import (
    CROP,
    SIDE,
    VIEWS,
    Material,
    Taught,
    Texts,
    compiled,
    whole,
)

PASSES = 4  # over the images, in an epoch
_SOFT, _TEMPERATURE = 0.2, 0.05  # the weight of MiniLM's targets, and their temperature
_TEACHER_TEMPERATURE = 1.5  # of the backbone's class distribution
_DROPPED = 0.5  # share of the image tower's 1,280 features dropped before its projection
_FROZEN = 6  # the image tower's first blocks, after its stem: edges and colours need no tuning
_FROZEN_TEXT = 3  # the text tower's first layers, of six, and its word embeddings
_TEMPLATES = ("{}", "a photo of a {}", "a {}", "this is a {}", "a picture of the {}")


@dataclass(frozen=True)
class Sizes:
    """What a step holds: images with captions, images of ImageNet, classes to choose among."""

    batch: int
    named: int
    names: int
    naming: float  # the weight of the classification loss


@dataclass(frozen=True)
class _Draw:
    """A step's batch: images of one captioned dataset and of ImageNet, and the classes."""

    data: Taught
    examples: Batch
    rows: NDArray[np.intp]  # of ImageNet's images
    names: NDArray[np.intp]  # classes
    captions: list[str]  # one of each image of ``examples``, and a name of each class


class _PocketLearner(ABC):
    """What both stages share: batches, losses and the dev figure."""

    sizes: Sizes
    scales: tuple[float, float, float]  # of the rates of image tower, text tower, projections

    def __init__(self, module: Any, material: Material, reader: Texts, plan: Plan) -> None:
        self.module, self.material, self.reader, self.plan = module, material, reader, plan
        module.to(memory_format=torch.channels_last).requires_grad_(True)
        text, tower = module.text_model, module.vision_model
        for part in (text.embeddings, *text.encoder.layer[:_FROZEN_TEXT]):
            part.requires_grad_(False)
        for part in (tower.conv_stem, *tower.layer[:_FROZEN]):
            part.requires_grad_(False)

    @abstractmethod
    def images(self, draw: _Draw) -> Tensor:
        """Return the image tower's features (n, 1280) of the captioned images, then ImageNet's."""

    def groups(self) -> list[dict[str, Any]]:
        model = self.module
        heads = [model.visual_projection.weight, model.text_projection.weight, model.logit_scale]
        image = [p for p in model.vision_model.parameters() if p.requires_grad]
        text = [p for p in model.text_model.parameters() if p.requires_grad]
        scaled = zip((image, text, heads), self.scales, strict=True)
        return [{"params": weights, "scale": scale} for weights, scale in scaled if weights]

    def identity(self) -> dict[str, Any]:
        sizes = (*vars(self.sizes).values(), CROP, SIDE, VIEWS, *self.scales)
        weights = (_SOFT, _TEMPERATURE, _TEACHER_TEMPERATURE, _DROPPED, _FROZEN, _FROZEN_TEXT)
        return {
            "data": [data.images.key for data in self.material.train],
            "recipe": (*sizes, *weights),
        }

    def steps(self, epoch: int) -> int:
        return PASSES * len(self._order(0))

    def _order(self, number: int) -> NDArray[np.intp]:
        """Return the dataset of each step of a pass, shuffled."""
        counts = [steps(data.images, self.sizes.batch) for data in self.material.train]
        rng = np.random.default_rng([3, self.plan.seed, number])
        return rng.permutation(np.repeat(np.arange(len(counts)), counts))

    def batches(self, epoch: int, first: int) -> Iterator[_Draw]:
        turn, start = divmod(first, len(self._order(0)))
        for number in range(PASSES * epoch + turn, PASSES * (epoch + 1)):
            yield from self._pass(number, start)
            start = 0

    def _pass(self, number: int, start: int) -> Iterator[_Draw]:
        """Yield the batches of a pass from number ``start`` on."""
        order, size, seed = self._order(number), self.sizes.batch, self.plan.seed
        sources = [
            batches(data.images, size, seed, number, int((order[:start] == place).sum()))
            for place, data in enumerate(self.material.train)
        ]
        for place in range(start, len(order)):
            rng = np.random.default_rng([2, seed, number, place])
            data = self.material.train[order[place]]
            yield self._draw(data, next(sources[order[place]]), rng)

    def _draw(self, data: Taught, batch: Batch, rng: np.random.Generator) -> _Draw:
        named, size = self.material.named, self.sizes.names
        rows = rng.choice(len(named.names), self.sizes.named, replace=False)
        likely = data.classes[batch.rows].argmax(dim=1).numpy()
        likely = rng.permutation(np.setdiff1d(likely, rows))
        others = np.setdiff1d(np.arange(len(named.names)), np.concatenate([rows, likely]))
        names = np.concatenate([rows, likely, rng.permutation(others)])[:size]
        called = [
            str(rng.choice(_TEMPLATES)).format(rng.choice(named.names[name])) for name in names
        ]
        captions = [_fewer_words(caption, rng) for caption in batch.captions]
        return _Draw(data, batch, rows, names, [*captions, *called])

    def gradients(self, batch: _Draw) -> float:
        pooled = nn.functional.dropout(self.images(batch), _DROPPED)
        images = unit(self.module.visual_projection(pooled))
        texts = self.reader.encode(batch.captions, self._text, 160)
        scale = self.module.logit_scale.exp().clamp(max=100)
        n = len(batch.examples.rows)
        pairs = self._contrast(images[:n], texts[:n], scale, batch)
        loss = pairs + self.sizes.naming * self._name(images, texts[n:], scale, batch)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def _text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return unit(unwrap(self.module.get_text_features(input_ids=ids, attention_mask=mask)))

    def _contrast(self, images: Tensor, texts: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the symmetric contrastive loss with targets softened by MiniLM's similarities.

        images and texts (n, width).
        """
        meaning = batch.data.meaning[batch.examples.rows]
        similar = (meaning @ meaning.T / _TEMPERATURE).softmax(dim=1)  # (n, n)
        target = (1 - _SOFT) * torch.eye(len(meaning)) + _SOFT * similar
        logits = scale * images @ texts.T  # (n, n)
        to_texts = nn.functional.cross_entropy(logits, target)
        to_images = nn.functional.cross_entropy(logits.T, target)
        return (to_texts + to_images) / 2

    def _name(self, images: Tensor, names: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the cross-entropy of classifying images among the step's classes.

        The target is the backbone's own distribution over them; for images of ImageNet it is
        averaged with the label.
        """
        own, sample = batch.data.classes[batch.examples.rows], self.material.sample.classes
        n = len(own)
        logits = torch.cat([own, sample[batch.rows]])[:, batch.names]
        target = (logits / _TEACHER_TEMPERATURE).softmax(dim=1)
        label = torch.from_numpy(batch.rows)[:, None] == torch.from_numpy(batch.names)[None]
        target[n:] = (target[n:] + label.float()) / 2
        losses = nn.functional.cross_entropy(scale * images @ names.T, target, reduction="none")
        return losses[:n].mean() + losses[n:].mean()

    def names(self, batch: _Draw) -> str:
        return batch.data.images.names(batch.examples.rows)

    def dev(self) -> float:
        """Return the mean recall of both directions on all dev splits, in per cent."""
        return float(np.mean([self._recall(images) for images in self.material.dev]))

    def _recall(self, images: DecodedExamples) -> float:
        with torch.autocast("cpu", torch.bfloat16):
            texts = self.reader.encode(images.captions, self._text, 256)
            rows = [self._whole(pixels) for pixels in parts(images.pixels, 50)]
        return mean_recall(texts.numpy(), torch.cat(rows).numpy(), images.owner)

    def _whole(self, pixels: Tensor) -> Tensor:
        values = (whole(pixels) * 2 - 1).contiguous(memory_format=torch.channels_last)
        return unit(unwrap(self.module.get_image_features(pixel_values=values)))


class TextLearner(_PocketLearner):
    """The first stage: the text tower and both projections, on the backbone's own features."""

    sizes = Sizes(batch=384, named=64, names=192, naming=0.5)
    scales = (0.0, 1.0, 10.0)

    def __init__(self, module: Any, material: Material, reader: Texts, plan: Plan) -> None:
        super().__init__(module, material, reader, plan)
        module.vision_model.requires_grad_(False)

    def images(self, draw: _Draw) -> Tensor:
        rows = torch.cat([draw.examples.rows, torch.from_numpy(draw.rows)])
        view = torch.randint(VIEWS, (len(rows),))
        n = len(draw.examples.rows)
        own = draw.data.features[rows[:n], view[:n]]
        return torch.cat([own, self.material.sample.features[rows[n:], view[n:]]])


class TowersLearner(_PocketLearner):
    """The second stage: both towers, but for their first layers."""

    sizes = Sizes(batch=256, named=32, names=80, naming=0.4)
    scales = (1.0, 0.2, 2.0)

    def __init__(self, module: Any, material: Material, reader: Texts, plan: Plan) -> None:
        super().__init__(module, material, reader, plan)
        self.norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        tower = module.vision_model.eval()
        first = nn.Sequential(tower.conv_stem, *tower.layer[:_FROZEN])
        self.first = compiled(first, plan.precision)

    def images(self, draw: _Draw) -> Tensor:
        for norm in self.norms:
            norm.eval()  # keeps ImageNet's statistics: a batch's own are too noisy
        sample = torch.from_numpy(self.material.sample.images.pixels[draw.rows])
        values = augment(torch.cat([draw.examples.pixels, sample]), CROP)
        hidden = self.first(values.float()).contiguous(memory_format=torch.channels_last)
        tower = self.module.vision_model
        for block in tower.layer[_FROZEN:]:
            hidden = block(hidden)
        return tower.conv_1x1(hidden).mean(dim=(2, 3))  # type: ignore[no-any-return]


def _fewer_words(caption: str, rng: np.random.Generator, share: float = 0.1) -> str:
    words = caption.split()
    kept = [word for word in words if rng.random() >= share]
    return " ".join(kept or words)
