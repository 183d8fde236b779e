"""Training the DenseNet + LSTM: the margin loss of VSE++ in a shared space."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import MobileNetV2Config, MobileNetV2Model

from components.encoder import CaptionTokenizer
from components.encoder.matchers.densenet import load_torchvision
from components.encoder.matchers.densenet_lstm import DenseNetLstm, EmbeddingConfig
from components.encoder.matchers.glove import WordVectors
from components.scores import mean_recall
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.loop import Plan
from components.training.losses import Negatives, triplet


@dataclass(frozen=True)
class Margin:
    """The loss. VSE++ starts on all negatives: the hardest alone let nothing begin."""

    batch: int = 128
    margin: float = 0.2
    negatives: Negatives = "hardest"
    warm_epochs: int = 2  # on all negatives
    train_backbone: bool = False


class DenseNetLstmLearner:
    """The network and its pairs. Dev is the mean of R@1, R@5 and R@10 both ways, in per cent."""

    def __init__(
        self,
        module: DenseNetLstm,
        reader: CaptionTokenizer,
        images: tuple[DecodedExamples, DecodedExamples],
        plan: Plan,
        margin: Margin,
    ) -> None:
        """Learn from the first of ``images``, measure on the second."""
        self.module, self.reader, self.plan = module, reader, plan
        self.train, self.dev_set = images
        self.margin = margin
        module.to(plan.device)
        module.image.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # known
        module.image.backbone.requires_grad_(margin.train_backbone)
        # Of a backbone that stays as it is, an image's features are computed once.
        self.features = None if margin.train_backbone else self._features(self.train)
        self.dev_features = None if margin.train_backbone else self._features(self.dev_set)

    def _features(self, images: DecodedExamples) -> Tensor:
        image, bf16 = self.module.image.eval(), self.plan.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self.plan.device, torch.bfloat16, enabled=bf16):
            found = [image.features(each.to(self.plan.device)) for each in parts(images.pixels, 32)]
        return torch.cat(found).float().clone()

    def groups(self) -> list[dict[str, Any]]:
        backbone = list(self.module.image.backbone.parameters())
        known = set(map(id, backbone))
        rest = [value for value in self.module.parameters() if id(value) not in known]
        tuned = [{"params": backbone, "scale": 0.1}] if self.margin.train_backbone else []
        return [{"params": rest, "scale": 1.0}, *tuned]

    def facts(self) -> dict[str, Any]:
        data = {"data": self.train.key, "dev": self.dev_set.key}
        return {**asdict(self.margin), **data}

    def steps(self, epoch: int) -> int:
        return steps(self.train, self.margin.batch)

    def batches(self, epoch: int, first: int) -> Iterator[tuple[Batch, Negatives]]:
        negatives = "all" if epoch < self.margin.warm_epochs else self.margin.negatives
        for batch in batches(self.train, self.margin.batch, self.plan.seed, epoch, first):
            yield batch, negatives

    def gradients(self, batch: tuple[Batch, Negatives]) -> float:
        pairs, negatives = batch
        images = (
            self.module.image(pairs.pixels.to(self.plan.device))
            if self.features is None
            else self.module.image.projection(self.features[pairs.rows])
        )
        loss = triplet(
            _unit(images), _unit(self._texts(pairs.captions)), self.margin.margin, negatives
        )
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def names(self, batch: tuple[Batch, Negatives]) -> str:
        return self.train.names(batch[0].rows)

    def dev(self) -> float:
        return mean_recall(*self.vectors())

    def vectors(self) -> tuple[Any, Any, Any]:
        """Return dev's unit vectors of texts and images, and whose each text is."""
        self.module.eval()
        with torch.inference_mode():
            images = self._dev_images()
            texts = torch.cat([self._texts(example.captions) for example in self.dev_set.examples])
        return _unit(texts).cpu().numpy(), _unit(images).cpu().numpy(), self.dev_set.owner

    def _dev_images(self) -> Tensor:
        image = self.module.image
        if self.dev_features is not None:
            return image.projection(self.dev_features)  # type: ignore[no-any-return]
        return torch.cat([image(p.to(self.plan.device)) for p in parts(self.dev_set.pixels, 32)])

    def _texts(self, captions: Sequence[str]) -> Tensor:
        ids, mask = (
            torch.from_numpy(rows).to(self.plan.device) for rows in self.reader.batch(captions)
        )
        return self.module.text(ids, mask)  # type: ignore[no-any-return]


def _unit(rows: Tensor) -> Tensor:
    return nn.functional.normalize(rows.float(), dim=-1)


def blank(
    tokenizer: Tokenizer,
    seed: int,
    mobilenet: Path | None = None,
    weights: Path | None = None,
    vectors: WordVectors | None = None,
) -> tuple[DenseNetLstm, EmbeddingConfig]:
    """Return a network for a vocabulary, its backbone with ImageNet's weights where given.

    ``mobilenet`` is a folder of transformers' that takes DenseNet's place, ``weights`` a
    densenet121 checkpoint of torchvision's; without either DenseNet begins from random weights.
    GloVe's ``vectors`` (words, d) are put where they are found; the other words' learn from chance.
    """
    torch.manual_seed(seed)
    words = tokenizer.get_vocab_size()
    size = vectors.vectors.shape[1] if vectors else 300
    network, config = _network(words, size, mobilenet)
    if weights and not mobilenet:
        load_torchvision(network.image.backbone, weights)  # type: ignore[arg-type] # it is one
    if vectors:
        found = torch.from_numpy(vectors.found)
        with torch.no_grad():
            network.text.words.embedding.weight[found] = torch.from_numpy(vectors.vectors)[found]
    return network, config


def _network(words: int, size: int, mobilenet: Path | None) -> tuple[DenseNetLstm, EmbeddingConfig]:
    if mobilenet:
        backbone = MobileNetV2Model.from_pretrained(
            mobilenet, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        vision = {"hidden_size": 1280, **_told(backbone.config)}
        config = EmbeddingConfig(words, "mobilenet_v2", embedding=size, vision=vision)
        network = DenseNetLstm(config)
        network.image.backbone.load_state_dict(backbone.state_dict())
        return network, config
    config = EmbeddingConfig(words, embedding=size)
    return DenseNetLstm(config), config


def _told(config: MobileNetV2Config) -> dict[str, Any]:
    """Return what of a configuration is not at its default, without the classifier's names."""
    told: dict[str, Any] = config.to_diff_dict()
    unneeded = (
        "id2label",
        "label2id",
        "architectures",
        "transformers_version",
        "model_type",
        "dtype",
    )
    return {key: value for key, value in told.items() if key not in unneeded}


def fitted_scale(texts: Any, images: Any, owner: Any) -> float:
    """Return the factor of the cosines whose softmax over dev's captions names the right image.

    The margin loss leaves no scale of its own: this one has the least cross-entropy, of 1 to 100.
    """
    logits = torch.from_numpy(texts @ images.T)
    target = torch.from_numpy(owner)
    scales = torch.logspace(0, 2, 41)
    losses = [nn.functional.cross_entropy(scale * logits, target) for scale in scales]
    return float(scales[int(torch.stack(losses).argmin())])
