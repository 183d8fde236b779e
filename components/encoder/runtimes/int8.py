"""How well a prepared int8 image tower follows float32: measured by `quantize`, kept beside it."""

import json
from dataclasses import dataclass
from pathlib import Path

GRAPH, CHECK = "image-int8.xml", "int8.json"
MIN_CORRELATION, MIN_COSINE = 0.995, 0.99


@dataclass(frozen=True)
class Int8Check:
    """How well int8 follows float32 on the sample images.

    ``correlation`` is the mean Spearman rank correlation of the images' order for the everyday
    captions, ``cosine`` the lowest cosine of an image's two vectors.
    """

    correlation: float
    cosine: float

    @property
    def passed(self) -> bool:
        """Whether int8 may be the default."""
        return self.correlation >= MIN_CORRELATION and self.cosine >= MIN_COSINE

    def sentence(self) -> str:
        """Return the verdict and both figures, for people."""
        verdict = "kept" if self.passed else "not used by default"
        return (
            f"int8 {verdict}: rank correlation with f32 {self.correlation:.4f} (at least"
            f" {MIN_CORRELATION}), lowest cosine {self.cosine:.4f} (at least {MIN_COSINE})"
        )


def read_check(folder: Path) -> Int8Check | None:
    """Return the check of a prepared folder, None where it has no int8 graph."""
    try:
        return Int8Check(**json.loads((folder / CHECK).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
