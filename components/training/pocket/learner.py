"""Both towers of Pocket learn together: losses, batches and the measure on dev.

The starter's towers saw Flickr8k for six passes. Here both learn on at a low rate for sixteen: the
contrastive loss on Flickr8k, softened by how alike all-MiniLM-L6-v2 finds the captions (Andonian et
al. 2022), and the names that MobileNetV2's own classifier gives (Hinton et al. 2015).

Six thousand images are soon known by heart. Against that, seven in ten of the image tower's
features are dropped at every step (Srivastava et al. 2014): of all that was tried it did the most.
Weights are averaged, and between the starter's and the tuned ones dev takes a point.

Images are crops of 192 pixels in training and whole at 224 afterwards: a crop shows things
larger than a whole image of the same size does (Touvron et al. 2019, "Fixing the train-test
resolution discrepancy").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from components.scores import both_ways
from components.training.augment import augment
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.loop import Plan
from components.training.pocket.material import CROP, SIDE, Material, Texts

PASSES = 4  # over the images, between two looks at dev
BATCH, NAMED = 192, 24  # images with captions, and images of ImageNet, a step
NAMES = 96  # of ImageNet's that a step chooses among
_SOFT, _WARMTH = 0.2, 0.05  # how much MiniLM softens the targets, and its temperature
_NAMING = 0.3  # the weight of naming
_TEXT_SCALE, _HEAD_SCALE = 0.2, 2.0  # learning rates beside the image tower's
_DROPPED = 0.7  # of the image tower's 1,280 features, at random, before its projection
_FROZEN = 3  # of the image tower's blocks, after its stem: edges and colours are edges and colours
_FROZEN_TEXT = 3  # of the text tower's six layers, after its word vectors
_TEMPLATES = ("{}", "a photo of a {}", "a {}", "this is a {}", "a picture of the {}")


def _unit(values: Any) -> Tensor:
    pooled = values if isinstance(values, Tensor) else values.pooler_output
    return nn.functional.normalize(pooled.float(), dim=-1)


def _text_vectors(model: Any, ids: Tensor, mask: Tensor) -> Tensor:
    return _unit(model.get_text_features(input_ids=ids, attention_mask=mask))


def _image_vectors(model: Any, values: Tensor, dropped: float = 0) -> Tensor:
    """Return unit vectors (n, 384) of values (n, 3, side, side) in [0, 1]."""
    values = (values * 2 - 1).contiguous(memory_format=torch.channels_last)
    pooled = model.vision_model(pixel_values=values).pooler_output  # (n, 1280)
    return _unit(model.visual_projection(nn.functional.dropout(pooled, dropped)))


@dataclass(frozen=True)
class _Draw:
    """A step's batch: Flickr8k's, the ImageNet rows, the names, and what else is drawn."""

    flickr: Batch
    rows: NDArray[np.intp]
    names: NDArray[np.intp]
    captions: list[str]  # one of each image of ``flickr``
    called: list[str]  # a name and template for each of ``names``


class PairLearner:
    """Both towers together."""

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
        sizes = (BATCH, NAMED, NAMES, CROP, SIDE)
        told = (*sizes, _SOFT, _WARMTH, _NAMING, _DROPPED, _FROZEN, _FROZEN_TEXT)
        return {"images": len(self.material.train.examples), "recipe": told}

    def steps(self, epoch: int) -> int:
        return PASSES * steps(self.material.train, BATCH)

    def batches(self, epoch: int, first: int) -> Iterator[_Draw]:
        seed, whole = self.plan.seed, steps(self.material.train, BATCH)
        for turn in range(first // whole, PASSES):
            number, start = PASSES * epoch + turn, max(0, first - turn * whole)
            found = batches(self.material.train, BATCH, seed, number, start)
            for place, batch in enumerate(found, start=start):
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
            norm.eval()  # ImageNet's statistics stay: 192 images of Flickr8k say less
        shown = torch.from_numpy(self.material.sample.pixels[batch.rows])
        pixels = torch.cat([batch.flickr.pixels, shown])
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
        """Return the symmetric contrastive loss against targets that MiniLM softens.

        images and texts (n, width).
        """
        meaning = self.material.meaning[batch.flickr.rows]
        alike = (meaning @ meaning.T / _WARMTH).softmax(dim=1)  # (n, n)
        target = (1 - _SOFT) * torch.eye(len(meaning)) + _SOFT * alike
        logits = scale * images @ texts.T  # (n, n)
        to_texts = nn.functional.cross_entropy(logits, target)
        to_images = nn.functional.cross_entropy(logits.T, target)
        return (to_texts + to_images) / 2

    def _name(self, images: Tensor, names: Tensor, scale: Tensor, batch: _Draw) -> Tensor:
        """Return the cross-entropy of naming images among the step's names.

        The target is the backbone's own distribution over them; on images of ImageNet half of
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
        return self.material.train.names(batch.flickr.rows)

    def dev(self) -> float:
        """Return the mean of R@1, R@5 and R@10 both ways on Flickr8k dev, in per cent."""
        return float(np.mean(dev_recall(self.module, self.material.dev, self.reader)))


def whole(pixels: Tensor) -> Tensor:
    """Return (n, 3, height, width) values in [0, 1] of bytes (n, height, width, 3)."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def _fewer_words(caption: str, rng: np.random.Generator, share: float = 0.1) -> str:
    words = caption.split()
    kept = [word for word in words if rng.random() >= share]
    return " ".join(kept or words)


def dev_recall(model: Any, images: DecodedExamples, reader: Texts) -> tuple[float, ...]:
    """Return R@1, R@5, R@10, caption to image and image to caption, in per cent, in bf16."""
    with torch.autocast("cpu", torch.bfloat16):
        image_vectors = torch.cat(
            [_image_vectors(model, whole(p)) for p in parts(images.pixels, 50)]
        )
        vectors = reader.encode(
            images.captions, lambda ids, mask: _text_vectors(model, ids, mask), 256
        )
    known = images.owner[:, None] == np.arange(len(image_vectors))
    found = both_ways((vectors @ image_vectors.T).numpy(), known)
    return tuple(100 * share for figures in found.values() for share in figures.recall)
