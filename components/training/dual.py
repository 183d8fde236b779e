"""Fine-tuning a dual encoder: any checkpoint that the app loads, on one's own pairs."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from components.encoder import CaptionTokenizer, batched
from components.encoder.runtimes.hf_towers import SentenceTower
from components.encoder.runtimes.load_towers import load_towers
from components.encoder.runtimes.towers import Towers
from components.files import write_bytes
from components.models import Located
from components.scores import mean_recall
from components.training import losses
from components.training.augment import augment
from components.training.gradcache import gradients
from components.training.learner import TrainingError
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.loop import Plan

Trains = Literal["projections", "last", "full", "lora"]
LossName = Literal["contrastive", "sigmoid", "triplet"]
# What lies between the towers' last layers and the shared space, in transformers' checkpoints.
_PROJECTIONS = (
    *("visual_projection", "text_projection", "vision_model.head", "text_model.head"),
    *("logit_scale", "logit_bias", "dense"),
)
_MOST_SCALE = 100.0  # CLIP's (Radford et al. 2021, section 2.5)


@dataclass(frozen=True)
class Tuning:
    """What of a checkpoint learns, and by which loss."""

    trains: Trains = "full"
    last: int = 2  # layers of each tower, where ``trains`` is "last"
    rank: int = 8  # of LoRA's matrices (Hu et al. 2022)
    loss: LossName = "contrastive"
    batch: int = 64  # pairs that compete
    chunk: int = 0  # pairs in memory at a time (GradCache); 0: all of the batch
    crop: float = 0.8  # the least area of a random crop; 1 leaves images as they are


class _Both(nn.Module):
    """A checkpoint's model, a text tower of its own where it has one, and the loss's bias."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.model: Any = towers.image.model
        self.text = towers.text if isinstance(towers.text, SentenceTower) else None
        self.bias = nn.Parameter(torch.tensor(0.0))


class DualLearner:
    """The checkpoint and its pairs. Dev is the mean of R@1, R@5 and R@10 both ways, in per cent."""

    def __init__(
        self,
        located: Located,
        images: tuple[DecodedExamples, DecodedExamples],
        plan: Plan,
        tuning: Tuning,
    ) -> None:
        """Learn from the first of ``images``, measure on the second.

        Raises TrainingError where the checkpoint's images vary in size (NaFlex).
        """
        self.towers = load_towers(located)
        if self.towers.head or self.towers.image_processor is None:
            raise TrainingError(f"{located.spec.name} is no dual encoder: train it anew instead.")
        if self.towers.recipe.pixels is None:
            raise TrainingError(f"{located.spec.name} reads images of any shape: not tuned here.")
        self.located, self.plan, self.tuning = located, plan, tuning
        self.train, self.dev_set = images
        self.module = _Both(self.towers)
        self.norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm2d)]
        self.lora: Any = None
        self._choose()
        text = located.text or located.image
        self.reader = CaptionTokenizer(text, self.towers.recipe.text)
        if tuning.loss == "sigmoid" and steps(self.train, tuning.batch):
            self._begin_bias()

    @torch.no_grad()
    def _begin_bias(self) -> None:
        """Begin the sigmoid's bias where the first batch's softmax has its threshold.

        SigLIP's own beginning, -10 beside a scale of 10, is for towers that know nothing: beside a
        trained softmax's scale it would first drive all images and captions together.
        """
        batch = next(self.batches(0, 0))
        self.module.to(self.plan.device).eval()
        ids, mask = map(torch.from_numpy, self.reader.batch(batch.captions))
        images, texts = self._vectors((batch.pixels, ids, mask))
        logits = self.module.model.logit_scale.exp() * images @ texts.T
        self.module.bias.fill_(-float(logits.logsumexp(dim=1).mean()))

    def _choose(self) -> None:
        """Let learn what the tuning says."""
        self.module.requires_grad_(self.tuning.trains == "full")
        if self.tuning.trains == "lora":
            self._add_lora()
        elif self.tuning.trains == "last":
            for layers in _layers(self.module):
                layers[-self.tuning.last :].requires_grad_(True)
        for name, value in self.module.named_parameters():
            if any(part in name for part in _PROJECTIONS) and self.tuning.trains != "lora":
                value.requires_grad_(True)
            if name.endswith(("logit_scale", "logit_bias")):
                value.requires_grad_(True)
        self.module.bias.requires_grad_(self.tuning.loss == "sigmoid")

    def _add_lora(self) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(
            r=self.tuning.rank, lora_alpha=2 * self.tuning.rank, target_modules="all-linear"
        )
        torch.manual_seed(self.plan.seed)
        self.lora = [get_peft_model(self.module.model, config)]
        if self.module.text is not None:
            self.lora.append(get_peft_model(self.module.text.transformer, config))

    def groups(self) -> list[dict[str, Any]]:
        named = list(self.module.named_parameters())
        learning = [(name, value) for name, value in named if value.requires_grad]
        heads = [v for name, v in learning if any(part in name for part in _PROJECTIONS)]
        known = set(map(id, heads))
        rest = [value for _, value in learning if id(value) not in known]
        groups = [{"params": rest, "scale": 1.0}, {"params": heads, "scale": 5.0}]
        return [group for group in groups if group["params"]]

    def facts(self) -> dict[str, Any]:
        base = {"base": self.located.spec.id, "revision": self.located.revision}
        return {**base, **asdict(self.tuning), "data": self.train.key, "dev": self.dev_set.key}

    def steps(self, epoch: int) -> int:
        return steps(self.train, self.tuning.batch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        return batches(self.train, self.tuning.batch, self.plan.seed, epoch, first)

    def gradients(self, batch: Batch) -> float:
        for norm in self.norms:
            norm.eval()  # a small batch's statistics say less than those it was trained with
        side = batch.pixels.shape[1]
        if self.tuning.crop < 1:
            pixels = augment(batch.pixels, side, self.tuning.crop, jitter=0.2)
            shown = pixels.permute(0, 2, 3, 1) * 255
        else:
            shown = batch.pixels
        ids, mask = map(torch.from_numpy, self.reader.batch(batch.captions))
        size = self.tuning.chunk or len(shown)
        chunks = [slice(start, start + size) for start in range(0, len(shown), size)]
        rows = [(shown[chunk], ids[chunk], mask[chunk]) for chunk in chunks]
        return gradients(rows, self._vectors, self._loss)

    def _vectors(self, part: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pixels, ids, mask = (each.to(self.plan.device) for each in part)
        return _unit(self.towers.image(pixels)), _unit(self.towers.text(ids, mask))

    def _loss(self, images: Tensor, texts: Tensor) -> Tensor:
        scale = self.module.model.logit_scale.exp().clamp(max=_MOST_SCALE)
        if self.tuning.loss == "triplet":
            return losses.triplet(images, texts)
        if self.tuning.loss == "sigmoid":
            own = getattr(self.module.model, "logit_bias", None)
            return losses.sigmoid(images, texts, scale, self.module.bias if own is None else own)
        return losses.info_nce(images, texts, scale)

    def names(self, batch: Batch) -> str:
        return self.train.names(batch.rows)

    def dev(self) -> float:
        return mean_recall(*self.vectors())

    def vectors(self) -> tuple[Any, Any, Any]:
        """Return dev's unit vectors of texts and images, and whose each text is."""
        self.module.eval()
        with torch.inference_mode():
            images = torch.cat(
                [
                    _unit(self.towers.image(p.to(self.plan.device)))
                    for p in parts(self.dev_set.pixels, 32)
                ]
            )
            groups = batched(self.dev_set.captions, 64)
            texts = torch.cat([self._texts(group) for group in groups])
        return texts.cpu().numpy(), images.cpu().numpy(), self.dev_set.owner

    def _texts(self, captions: Sequence[str]) -> Tensor:
        ids, mask = (
            torch.from_numpy(rows).to(self.plan.device) for rows in self.reader.batch(captions)
        )
        return _unit(self.towers.text(ids, mask))

    def save(self, folder: Path) -> None:
        """Write the checkpoint as the app loads it; LoRA's matrices are added to the weights."""
        for adapted in self.lora or ():
            adapted.merge_and_unload()
        self.module.model.logit_scale.data.clamp_(max=math.log(_MOST_SCALE))
        has_text = self.located.text is not None
        write(self.module.model, self.located.image, folder / "image" if has_text else folder)
        if self.located.text:
            _write_text(self.towers.text, self.located.text, folder / "text")


def _unit(rows: Tensor) -> Tensor:
    return nn.functional.normalize(rows.float(), dim=-1)


def _layers(module: nn.Module) -> list[nn.ModuleList]:
    """Return each tower's stack of layers: the longest lists of modules that lie in no other."""
    lists = {n: m for n, m in module.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 1}
    return [m for name, m in lists.items() if not any(name.startswith(f"{o}.") for o in lists)]


def write(model: Any, source: Path, folder: Path) -> None:
    """Write ``model`` with its weights, config and the tokenizer and processor of ``source``.

    config.json, without which a folder is no model, comes last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if (
            file.is_file()
            and file.suffix in {".json", ".txt", ".model"}
            and file.name != "config.json"
        ):
            shutil.copyfile(file, folder / file.name)
    for stale in folder.glob("*.index.json"):
        stale.unlink()  # of weights in several files, which are one now
    write_bytes(folder / "model.safetensors", _weights(model))
    write_bytes(folder / "config.json", model.config.to_json_string().encode())


def _weights(model: nn.Module) -> bytes:
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in model.state_dict().items()
    }
    return to_bytes(tensors, {"format": "pt"})


def _write_text(tower: Any, source: Path, folder: Path) -> None:
    """Write a Sentence-Transformers tower: its files, and its parts' weights."""
    pickles = shutil.ignore_patterns("*.bin", "*.pt", "onnx", "openvino")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=pickles)
    modules = json.loads((source / "modules.json").read_text(encoding="utf-8"))
    write(tower.transformer, source / modules[0]["path"], folder / modules[0]["path"])
    dense = [module["path"] for module in modules if module["type"].endswith("Dense")]
    for path, layer in zip(dense, tower.dense, strict=True):
        weights = {f"linear.{name}": value for name, value in layer[0].state_dict().items()}
        write_bytes(folder / path / "model.safetensors", to_bytes(weights))
