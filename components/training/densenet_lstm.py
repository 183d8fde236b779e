"""Training the DenseNet + LSTM with the margin loss of VSE++ in a shared embedding space."""

from collections.abc import Iterator
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
from components.training.learner import BatchLearner, unit
from components.training.loader import Batch, DecodedExamples, TrainDev, parts
from components.training.losses import Negatives, triplet
from components.training.plan import Plan


@dataclass(frozen=True)
class Margin:
    """The loss. VSE++ starts on all negatives: on the hardest alone it does not converge."""

    batch: int = 128
    margin: float = 0.2
    negatives: Negatives = "hardest"
    warm_epochs: int = 2  # on all negatives
    train_backbone: bool = False


class DenseNetLstmLearner(BatchLearner):
    """The DenseNet + LSTM. Its dev figure is the mean recall of both directions, in per cent."""

    def __init__(
        self,
        module: DenseNetLstm,
        reader: CaptionTokenizer,
        images: TrainDev,
        plan: Plan,
        margin: Margin,
    ) -> None:
        """Train on the first of ``images``, measure on the second."""
        super().__init__(module, reader, images, plan, margin.batch)
        self.margin = margin
        self.negatives: Negatives = "all"  # in the epoch whose batches were last begun
        module.to(plan.device)
        module.image.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # known
        module.image.backbone.requires_grad_(margin.train_backbone)
        # The features of a frozen backbone are computed once.
        self.features = None if margin.train_backbone else self._features(self.train)
        self.dev_features = None if margin.train_backbone else self._features(self.dev_set)

    def _features(self, images: DecodedExamples) -> Tensor:
        image, bf16 = self.module.image.eval(), self.plan.precision == "bf16"
        with torch.inference_mode(), torch.autocast(self.plan.device, torch.bfloat16, enabled=bf16):
            rows = [image.features(each.to(self.plan.device)) for each in parts(images.pixels, 32)]
        return torch.cat(rows).float().clone()

    def groups(self) -> list[dict[str, Any]]:
        backbone = list(self.module.image.backbone.parameters())
        in_backbone = set(map(id, backbone))
        rest = [value for value in self.module.parameters() if id(value) not in in_backbone]
        tuned = [{"params": backbone, "scale": 0.1}] if self.margin.train_backbone else []
        return [{"params": rest, "scale": 1.0}, *tuned]

    def identity(self) -> dict[str, Any]:
        return {**asdict(self.margin), **self.data()}

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        self.negatives = "all" if epoch < self.margin.warm_epochs else self.margin.negatives
        return super().batches(epoch, first)

    def gradients(self, batch: Batch) -> float:
        images = (
            self.module.image(batch.pixels.to(self.plan.device))
            if self.features is None
            else self.module.image.projection(self.features[batch.rows])
        )
        texts = self.module.text(*self.tokens(batch.captions))
        loss = triplet(unit(images), unit(texts), self.margin.margin, self.negatives)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def dev(self) -> float:
        return mean_recall(*self.vectors())

    def vectors(self) -> tuple[Any, Any, Any]:
        """Return dev's unit vectors of captions and images, and each caption's image row."""
        self.module.eval()
        captions = [example.captions for example in self.dev_set.examples]
        with torch.inference_mode():
            images = self._dev_images()
            texts = torch.cat([self.module.text(*self.tokens(each)) for each in captions])
        return unit(texts).cpu().numpy(), unit(images).cpu().numpy(), self.dev_set.owner

    def _dev_images(self) -> Tensor:
        image = self.module.image
        if self.dev_features is not None:
            return image.projection(self.dev_features)  # type: ignore[no-any-return]
        return torch.cat([image(p.to(self.plan.device)) for p in parts(self.dev_set.pixels, 32)])


def blank(
    tokenizer: Tokenizer,
    seed: int,
    mobilenet: Path | None = None,
    weights: Path | None = None,
    vectors: WordVectors | None = None,
) -> tuple[DenseNetLstm, EmbeddingConfig]:
    """Return an untrained network for a vocabulary, with pretrained parts where they are given.

    ``mobilenet`` is the folder of a transformers MobileNetV2 that replaces DenseNet-121;
    ``weights`` is torchvision's densenet121 checkpoint. Without either, DenseNet-121 starts from
    random weights. Words that GloVe's ``vectors`` (words, d) lack start from random vectors.
    """
    torch.manual_seed(seed)
    words = tokenizer.get_vocab_size()
    size = vectors.vectors.shape[1] if vectors else 300
    network, config = _network(words, size, mobilenet)
    if weights and not mobilenet:
        load_torchvision(network.image.backbone, weights)  # type: ignore[arg-type] # it is one
    if vectors:
        known = torch.from_numpy(vectors.known)
        with torch.no_grad():
            network.text.words.embedding.weight[known] = torch.from_numpy(vectors.vectors)[known]
    return network, config


def _network(words: int, size: int, mobilenet: Path | None) -> tuple[DenseNetLstm, EmbeddingConfig]:
    if mobilenet:
        backbone = MobileNetV2Model.from_pretrained(
            mobilenet, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        vision = {"hidden_size": 1280, **_changed(backbone.config)}
        config = EmbeddingConfig(words, "mobilenet_v2", embedding=size, vision=vision)
        network = DenseNetLstm(config)
        network.image.backbone.load_state_dict(backbone.state_dict())
        return network, config
    config = EmbeddingConfig(words, embedding=size)
    return DenseNetLstm(config), config


def _changed(config: MobileNetV2Config) -> dict[str, Any]:
    """Return the settings that differ from the defaults, without the classifier's names."""
    settings: dict[str, Any] = config.to_diff_dict()
    unneeded = (
        "id2label",
        "label2id",
        "architectures",
        "transformers_version",
        "model_type",
        "dtype",
    )
    return {key: value for key, value in settings.items() if key not in unneeded}


def fitted_scale(texts: Any, images: Any, owner: Any) -> float:
    """Return the logit scale, from 1 to 100, with the lowest cross-entropy on dev.

    Of a softmax over dev's images for each caption; the margin loss does not learn a scale.
    """
    logits = torch.from_numpy(texts @ images.T)
    target = torch.from_numpy(owner)
    scales = torch.logspace(0, 2, 41)
    losses = [nn.functional.cross_entropy(scale * logits, target) for scale in scales]
    return float(scales[int(torch.stack(losses).argmin())])
