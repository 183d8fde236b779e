"""Pocket's learner: both towers are trained together; their losses, batches and dev figure.

The starter's towers were trained on Flickr8k for six passes. Here both are trained for sixteen more
at a low rate: with the contrastive loss on Flickr8k, its targets softened by the captions'
similarity in all-MiniLM-L6-v2 (Andonian et al. 2022), and with the class probabilities of
MobileNetV2's own classifier (distillation, Hinton et al. 2015).

Six thousand images are soon overfitted. The strongest remedy of those tried is dropping 70% of the
image tower's features at every step (Srivastava et al. 2014). The weights are averaged, and at the
end interpolated with the starter's; dev chooses how far.

Training uses crops of 192 pixels, evaluation whole images of 224: objects appear larger in a crop
than in a whole image of the same size (Touvron et al. 2019, "Fixing the train-test resolution
discrepancy").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.encoder.runtimes.towers import unwrap
from components.scores import both_ways
from components.training.augment import augment
from components.training.learner import unit
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.plan import Plan
from components.training.pocket.material import CROP, SIDE, Material, Texts

PASSES = 4  # over the images, in an epoch
BATCH, NAMED = 192, 24  # images with captions, and images of ImageNet, in a step
NAMES = 96  # ImageNet classes that a step classifies among
_SOFT, _TEMPERATURE = 0.2, 0.05  # the weight of MiniLM's targets, and their temperature
_NAMING = 0.3  # the weight of the classification loss
_TEXT_SCALE, _HEAD_SCALE = 0.2, 2.0  # learning rates relative to the image tower's
_DROPPED = 0.7  # share of the image tower's 1,280 features dropped before its projection
_FROZEN = 3  # the image tower's first blocks, after its stem: edges and colours need no tuning
_FROZEN_TEXT = 3  # the text tower's first layers, of six, and its word embeddings
_TEMPLATES = ("{}", "a photo of a {}", "a {}", "this is a {}", "a picture of the {}")


def _text_vectors(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    return unit(unwrap(model.get_text_features(input_ids=ids, attention_mask=mask)))


def _image_vectors(model: Any, values: Tensor, dropped: float = 0) -> Tensor:
    """Return unit vectors (n, 384) of values (n, 3, side, side) in [0, 1]."""
    values = (values * 2 - 1).contiguous(memory_format=torch.channels_last)
    pooled = model.vision_model(pixel_values=values).pooler_output  # (n, 1280)
    return unit(model.visual_projection(nn.functional.dropout(pooled, dropped)))


@dataclass(frozen=True)
class _Draw:
    """A step's batch: images of Flickr8k and ImageNet, and the classes to choose among."""

    flickr: Batch
    rows: NDArray[np.intp]  # of ImageNet's images
    names: NDArray[np.intp]  # classes
    captions: list[str]  # one of each image of ``flickr``
    called: list[str]  # a name in a template for each of ``names``


class PocketLearner:
    """Both towers, trained together."""

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

    def identity(self) -> dict[str, Any]:
        sizes = (BATCH, NAMED, NAMES, CROP, SIDE)
        weights = (_SOFT, _TEMPERATURE, _NAMING, _DROPPED, _FROZEN, _FROZEN_TEXT)
        return {"images": len(self.material.train.examples), "recipe": (*sizes, *weights)}

    def steps(self, epoch: int) -> int:
        return PASSES * steps(self.material.train, BATCH)

    def batches(self, epoch: int, first: int) -> Iterator[_Draw]:
        seed, pass_steps = self.plan.seed, steps(self.material.train, BATCH)
        for turn in range(first // pass_steps, PASSES):
            number, start = PASSES * epoch + turn, max(0, first - turn * pass_steps)
            flickr = batches(self.material.train, BATCH, seed, number, start)
            for place, batch in enumerate(flickr, start=start):
                yield self._draw(batch, np.random.default_rng([2, seed, number, place]))

    def _draw(self, batch: Batch, rng: np.random.Generator) -> _Draw:
        named = self.material.named
        rows = rng.choice(named.shown, NAMED, replace=False)
        likely = self.material.classes[batch.rows].topk(1).indices.flatten().numpy()
        drawn = np.unique(np.concatenate([rows, likely]))[:NAMES]
        others = np.setdiff1d(np.arange(len(named.names)), drawn)
        names = np.concatenate([drawn, rng.choice(others, NAMES - len(drawn), replace=False)])
        called = [
            str(rng.choice(_TEMPLATES)).format(rng.choice(named.names[name])) for name in names
        ]
        examples = [self.material.train.examples[row] for row in batch.rows]
        picks = [rng.permutation(len(example.captions)) for example in examples]
        captions = [
            _fewer_words(example.captions[pick[0]], rng)
            for example, pick in zip(examples, picks, strict=True)
        ]
        return _Draw(batch, rows, names, captions, called)

    def gradients(self, batch: _Draw) -> float:
        for norm in self.norms:
            norm.eval()  # keeps ImageNet's statistics: 192 images of Flickr8k are too noisy
        sample = torch.from_numpy(self.material.sample.pixels[batch.rows])
        pixels = torch.cat([batch.flickr.pixels, sample])
        images = _image_vectors(self.module, augment(pixels, CROP), _DROPPED)
        texts = self.reader.encode([*batch.captions, *batch.called], self._text, 160)
        scale = self.module.logit_scale.exp().clamp(max=100)
        n = len(batch.flickr.rows)
        pairs = self._contrast(images[:n], texts[:n], scale, batch)
        loss = pairs + _NAMING * self._name(images, texts[n:], scale, batch)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def _text(self, ids: Tensor, mask: Tensor) -> Tensor:
        return _text_vectors(self.module, ids, mask)

    def _contrast(self, images: Tensor, texts: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the symmetric contrastive loss with targets softened by MiniLM's similarities.

        images and texts (n, width).
        """
        meaning = self.material.meaning[batch.flickr.rows]
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
        n = len(batch.flickr.rows)
        teacher = torch.cat(
            [self.material.classes[batch.flickr.rows], self.material.sample_classes[batch.rows]]
        )[:, batch.names].float()
        target = teacher / teacher.sum(dim=1, keepdim=True).clamp(min=1e-6)
        label = torch.from_numpy(batch.rows)[:, None] == torch.from_numpy(batch.names)[None]
        target[n:] = (target[n:] + label.float()) / 2
        mass = teacher[:n].sum(dim=1).clamp(max=1)  # the probability that these classes cover
        losses = nn.functional.cross_entropy(scale * images @ names.T, target, reduction="none")
        return (losses[:n] * mass).mean() + losses[n:].mean()

    def names(self, batch: _Draw) -> str:
        return self.material.train.names(batch.flickr.rows)

    def dev(self) -> float:
        """Return the mean recall of both directions on Flickr8k dev, in per cent."""
        return float(np.mean(dev_recall(self.module, self.material.dev, self.reader)))


def whole(pixels: Tensor) -> Tensor:
    """Return (n, 3, height, width) values in [0, 1] of bytes (n, height, width, 3)."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def _fewer_words(caption: str, rng: np.random.Generator, share: float = 0.1) -> str:
    words = caption.split()
    kept = [word for word in words if rng.random() >= share]
    return " ".join(kept or words)


def dev_recall(model: Any, images: DecodedExamples, reader: Texts) -> tuple[float, ...]:
    """Return R@1, R@5, R@10 of caption to image, then of image to caption, in per cent."""
    with torch.autocast("cpu", torch.bfloat16):
        image_vectors = torch.cat(
            [_image_vectors(model, whole(p)) for p in parts(images.pixels, 50)]
        )
        vectors = reader.encode(
            images.captions, lambda ids, mask: _text_vectors(model, ids, mask), 256
        )
    pairs = images.owner[:, None] == np.arange(len(image_vectors))
    directions = both_ways((vectors @ image_vectors.T).numpy(), pairs).values()
    return tuple(100 * share for direction in directions for share in direction.recall)
