"""The baselines of each comparison: plain transformers and ONNX Runtime, both in float32."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from components import models
from components.bench.measure import environment
from components.encoder import batched
from components.errors import CaptionLensError
from components.images import sample_sources
from components.models import Located

RANDOM_CLIP = "random-clip-vit-b-32"
BATCH = 32


class Plain:
    """`AutoModel` and `AutoImageProcessor` in float32, used as their documentation shows."""

    def __init__(self, located: Located) -> None:
        import torch
        from transformers import AutoImageProcessor, AutoModel

        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = AutoModel.from_pretrained(located.image, dtype=torch.float32)
        self.module = _image_tower(model.to(self.device).eval())
        self._processor = AutoImageProcessor.from_pretrained(located.image)

    def floats(self, pixels: Any) -> Any:
        """Return (n, 3, height, width) floats, as `tower` takes, of (n, height, width, 3) bytes."""
        images = [Image.fromarray(row) for row in pixels]
        return self._processor(images=images, return_tensors="pt")["pixel_values"]

    def tower(self, floats: Any) -> Any:
        """Return (n, width) normalised embeddings of (n, 3, height, width) floats."""
        import torch

        with torch.inference_mode():
            return self.module(floats.to(self.device)).cpu()

    def files(self, files: Sequence[Path]) -> None:
        """Encode image files batch by batch."""
        for batch in batched(files, BATCH):
            images = [Image.open(file).convert("RGB") for file in batch]
            self.tower(self._processor(images=images, return_tensors="pt")["pixel_values"])


def _image_tower(model: Any) -> Any:
    """Return a module that maps pixel values to the model's normalised image embeddings."""
    import torch

    class ImageTower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, values: Any) -> Any:
            features = self.model.get_image_features(pixel_values=values)
            vectors = getattr(features, "pooler_output", features)
            return torch.nn.functional.normalize(vectors, dim=-1)

    return ImageTower()


class Onnx(Plain):
    """The same image tower on ONNX Runtime, as rclip and immich run it."""

    def __init__(self, located: Located, folder: Path) -> None:
        """Export the tower into ``folder``. Raises CaptionLensError without ONNX Runtime."""
        try:
            import onnxruntime
            import onnxscript  # noqa: F401 - torch's exporter needs it
        except ImportError as error:
            raise CaptionLensError(
                "This benchmark compares with ONNX Runtime, which is not installed: run"
                " `pip install onnxruntime onnxscript`."
            ) from error
        import torch

        super().__init__(located)
        file = folder / "tower.onnx"
        example = self.floats(np.zeros((2, 64, 64, 3), np.uint8)).to(self.device)
        torch.onnx.export(
            self.module,
            (example,),
            file,
            dynamo=True,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
        self._session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def tower(self, floats: Any) -> Any:
        return self._session.run(None, {self._input: floats.numpy()})[0]


def jpegs(folder: Path, size: tuple[int, int], number: int) -> list[Path]:
    """Write ``number`` JPEG files of ``size`` made from the sample images."""
    folder.mkdir()
    originals = [source.data for source in sample_sources()]
    files = [folder / f"{index:03}.jpg" for index in range(number)]
    for index, file in enumerate(files):
        original = originals[index % len(originals)]
        assert isinstance(original, Path)  # noqa: S101 - the samples are files
        if index < len(originals):
            with Image.open(original) as image:
                image.convert("RGB").resize(size).save(file, quality=90)
        else:
            file.write_bytes(files[index - len(originals)].read_bytes())
    return files


@contextmanager
def located(model_id: str) -> Iterator[Located]:
    """Yield where a model's files are; `RANDOM_CLIP` is written to a temporary folder."""
    if model_id != RANDOM_CLIP:
        yield models.locate(models.resolve(model_id))
        return
    with tempfile.TemporaryDirectory() as folder:
        random_clip(Path(folder))
        # Conversions of a temporary checkpoint are of no use later.
        with environment("CAPTIONLENS_MODEL_CACHE", str(Path(folder) / "cache")):
            yield models.locate(models.resolve(folder))


def random_clip(folder: Path) -> None:
    """Write a checkpoint of CLIP ViT-B/32's shape, and so its speed, with random weights."""
    import torch
    from tokenizers import Tokenizer
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    special = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate([*words, *special])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)
    assert isinstance(tokenizer.backend_tokenizer, Tokenizer)  # noqa: S101
    tokenizer.save_pretrained(folder)
