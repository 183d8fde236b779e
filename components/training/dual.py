"""Fine-tuning a dual encoder: any checkpoint that the app loads, on images with captions."""

import json
import math
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from components.encoder import CaptionTokenizer, Recipe, batched
from components.encoder.runtimes.hf_towers import SentenceTower
from components.encoder.runtimes.load_towers import load_towers
from components.encoder.runtimes.towers import Towers
from components.files import write_bytes
from components.models import Located
from components.scores import mean_recall
from components.training import losses
from components.training.augment import augment
from components.training.gradcache import gradients
from components.training.learner import BatchLearner, TrainingError, unit
from components.training.loader import Batch, Decoding, TrainDev, parts
from components.training.plan import Plan

Trains = Literal["projections", "last", "full", "lora"]
LossName = Literal["contrastive", "sigmoid", "triplet"]
# The layers between the towers and the shared embedding space, as transformers names them.
_PROJECTIONS = (
    *("visual_projection", "text_projection", "vision_model.head", "text_model.head"),
    *("logit_scale", "logit_bias", "dense"),
)
_MAX_SCALE = 100.0  # CLIP's (Radford et al. 2021, section 2.5)


@dataclass(frozen=True)
class Tuning:
    """Which weights of a checkpoint are trained, and with which loss."""

    trains: Trains = "full"
    last: int = 2  # layers of each tower, where ``trains`` is "last"
    rank: int = 8  # of LoRA's matrices (Hu et al. 2022)
    loss: LossName = "contrastive"
    batch: int = 64  # pairs compared in a step
    chunk: int = 0  # pairs in memory at a time (GradCache); 0: the whole batch
    crop: float = 0.8  # minimum area of a random crop; 1: no augmentation


class _Both(nn.Module):
    """A checkpoint's model, its separate text tower if it has one, and the loss's bias."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.model: Any = towers.image.model
        self.text = towers.text if isinstance(towers.text, SentenceTower) else None
        self.bias = nn.Parameter(torch.tensor(0.0))


class DualLearner(BatchLearner):
    """A dual encoder. Its dev figure is the mean recall of both directions, in per cent."""

    def __init__(self, located: Located, images: TrainDev, plan: Plan, tuning: Tuning) -> None:
        """Train on the first of ``images``, measure on the second.

        Raises TrainingError of another kind of model, and where images vary in size (NaFlex).
        """
        self.located, self.tuning = located, tuning
        self.towers = _checked(located)
        reader = CaptionTokenizer(located.text or located.image, self.towers.recipe.text)
        super().__init__(_Both(self.towers), reader, images, plan, tuning.batch)
        self.norms = [m for m in self.module.modules() if isinstance(m, nn.BatchNorm2d)]
        self.lora: Any = None
        self._freeze()
        if tuning.loss == "sigmoid" and self.steps(0):
            self._initialise_bias()

    @torch.no_grad()
    def _initialise_bias(self) -> None:
        """Set the sigmoid's bias to minus the first batch's mean log-sum-exp of logits.

        SigLIP's own start, a bias of -10 and a scale of 10, suits untrained towers: with the scale
        of a trained softmax it would first pull all images and captions together.
        """
        batch = next(self.batches(0, 0))
        self.module.to(self.plan.device).eval()
        images, texts = self._vectors((batch.pixels, *self.tokens(batch.captions)))
        logits = self.module.model.logit_scale.exp() * images @ texts.T
        self.module.bias.fill_(-float(logits.logsumexp(dim=1).mean()))

    def _freeze(self) -> None:
        """Freeze all weights but those that the tuning trains."""
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
        in_heads = set(map(id, heads))
        rest = [value for _, value in learning if id(value) not in in_heads]
        groups = [{"params": rest, "scale": 1.0}, {"params": heads, "scale": 5.0}]
        return [group for group in groups if group["params"]]

    def identity(self) -> dict[str, Any]:
        base = {"base": self.located.spec.id, "revision": self.located.revision}
        return {**base, **asdict(self.tuning), **self.data()}

    def gradients(self, batch: Batch) -> float:
        for norm in self.norms:
            norm.eval()  # keeps the pretrained statistics: a small batch's are too noisy
        side = batch.pixels.shape[1]
        if self.tuning.crop < 1:
            pixels = augment(batch.pixels, side, self.tuning.crop, jitter=0.2)
            views = pixels.permute(0, 2, 3, 1) * 255
        else:
            views = batch.pixels
        ids, mask = self.tokens(batch.captions)
        size = self.tuning.chunk or len(views)
        chunks = [slice(start, start + size) for start in range(0, len(views), size)]
        rows = [(views[chunk], ids[chunk], mask[chunk]) for chunk in chunks]
        return gradients(rows, self._vectors, self._loss)

    def _vectors(self, part: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        pixels, ids, mask = part
        return self._images(pixels), unit(self.towers.text(ids, mask))

    def _images(self, pixels: Tensor) -> Tensor:
        return unit(self.towers.image(pixels.to(self.plan.device)))

    def _loss(self, images: Tensor, texts: Tensor) -> Tensor:
        scale = self.module.model.logit_scale.exp().clamp(max=_MAX_SCALE)
        if self.tuning.loss == "triplet":
            return losses.triplet(images, texts)
        if self.tuning.loss == "sigmoid":
            bias = getattr(self.module.model, "logit_bias", None)
            return losses.sigmoid(images, texts, scale, self.module.bias if bias is None else bias)
        return losses.info_nce(images, texts, scale)

    def dev(self) -> float:
        return mean_recall(*self.vectors())

    def vectors(self) -> tuple[Any, Any, Any]:
        """Return dev's unit vectors of captions and images, and each caption's image row."""
        self.module.eval()
        groups = batched(self.dev_set.captions, 64)
        with torch.inference_mode():
            images = torch.cat([self._images(pixels) for pixels in parts(self.dev_set.pixels, 32)])
            texts = [unit(self.towers.text(*self.tokens(group))) for group in groups]
        return torch.cat(texts).cpu().numpy(), images.cpu().numpy(), self.dev_set.owner

    def save(self, folder: Path) -> None:
        """Write the checkpoint in float16, as the app loads it; LoRA is merged into the weights."""
        for adapted in self.lora or ():
            adapted.merge_and_unload()
        self.module.model.logit_scale.data.clamp_(max=math.log(_MAX_SCALE))
        has_text = self.located.text is not None
        write(self.module.model, self.located.image, folder / "image" if has_text else folder)
        if self.located.text:
            _write_text(self.towers.text, self.located.text, folder / "text")


def _checked(located: Located) -> Towers:
    """Return a checkpoint's towers. Raises TrainingError where they cannot be fine-tuned."""
    towers, name = load_towers(located), located.spec.name
    if towers.head or towers.image_processor is None:
        raise TrainingError(f"{name} is not a dual encoder: train a new matcher instead.")
    decoding(towers.recipe, name)
    return towers


def decoding(recipe: Recipe, name: str) -> Decoding:
    """Return how the images of a dual encoder are decoded, by its preprocessing recipe.

    Raises TrainingError where they are not square, or vary in size (NaFlex).
    """
    pixels = recipe.pixels
    if pixels is None or pixels.height != pixels.width:
        raise TrainingError(f"{name} reads images of any shape, which cannot be fine-tuned here.")
    return Decoding(pixels.height, "squeeze" if pixels.shortest_edge is None else "crop")


def _layers(module: nn.Module) -> list[nn.ModuleList]:
    """Return each tower's stack of layers: lists of modules that are in no other list."""
    lists = {n: m for n, m in module.named_modules() if isinstance(m, nn.ModuleList) and len(m) > 1}
    return [m for name, m in lists.items() if not any(name.startswith(f"{o}.") for o in lists)]


def write(model: Any, source: Path, folder: Path) -> None:
    """Write ``model``: its weights, its config, and the tokenizer and processor of ``source``.

    config.json comes last: a folder without it does not count as a model.
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
        stale.unlink()  # the index of sharded weights, which are one file now
    write_bytes(folder / "model.safetensors", _weights(model))
    write_bytes(folder / "config.json", model.config.to_json_string().encode())


def _weights(model: nn.Module) -> bytes:
    tensors = {
        name: value.detach().cpu().half().contiguous() if value.is_floating_point() else value.cpu()
        for name, value in model.state_dict().items()
    }
    return to_bytes(tensors, {"format": "pt"})


def _write_text(tower: Any, source: Path, folder: Path) -> None:
    """Write a Sentence-Transformers tower: its files, and the weights of its modules."""
    pickles = shutil.ignore_patterns("*.bin", "*.pt", "onnx", "openvino")
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=pickles)
    modules = json.loads((source / "modules.json").read_text(encoding="utf-8"))
    write(tower.transformer, source / modules[0]["path"], folder / modules[0]["path"])
    dense = [module["path"] for module in modules if module["type"].endswith("Dense")]
    for path, layer in zip(dense, tower.dense, strict=True):
        weights = {f"linear.{name}": value for name, value in layer[0].state_dict().items()}
        write_bytes(folder / path / "model.safetensors", to_bytes(weights))
