"""The curated models, with their size, licence, published recall and use."""

from dataclasses import dataclass

from components.settings import ROOT

POCKET = ROOT / "model_cache" / "pocket"


@dataclass(frozen=True)
class ModelSpec:
    """A model by its parts; each is a Hub id, or the absolute path of a folder."""

    id: str  # as typed: "pocket", a Hub id, a folder, or "TEXT_ID + IMAGE_ID"
    name: str  # as displayed
    image: str  # the dual encoder, or the image tower of a pair
    text: str | None = None  # the text tower of a pair

    @property
    def parts(self) -> tuple[str, ...]:
        """The checkpoints of the model, the image tower first."""
        return (self.image,) if self.text is None else (self.image, self.text)


@dataclass(frozen=True)
class ModelCard:
    """A model of the catalogue; recalls are R@1 in per cent, (text->image, image->text)."""

    spec: ModelSpec
    size_mb: int  # to download, in millions of bytes
    licence: str
    languages: str
    width: int  # of an embedding
    flickr30k: tuple[float, float] | None  # gallery: the 1,000 test images
    coco: tuple[float, float] | None  # gallery: the 5,000 test images
    source: str  # of the recalls
    good_for: str


LAION = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
OPENAI = "openai/clip-vit-base-patch32"
_LARGE = "openai/clip-vit-large-patch14"
_SIGLIP2 = "google/siglip2-base-patch16-224"
_MULTILINGUAL = "sentence-transformers/clip-ViT-B-32-multilingual-v1"
_OPENCLIP = "OpenCLIP's table of zero-shot retrieval"
_OPENAI_LICENCE = "MIT (code); the weights are for research, see the model's card"

CATALOGUE: tuple[ModelCard, ...] = (
    ModelCard(
        ModelSpec("pocket", "Pocket", str(POCKET)),
        size_mb=52,
        licence="Apache-2.0 (code); weights trained on Flickr8k, for non-commercial research, and"
        " on pictures of the web",
        languages="English",
        width=384,
        flickr30k=None,
        coco=None,
        source="none published on these galleries",
        good_for="First steps: it is part of the app and fast on any computer.",
    ),
    ModelCard(
        ModelSpec(LAION, "CLIP ViT-B/32 (LAION-2B)", LAION),
        size_mb=609,
        licence="MIT",
        languages="English",
        width=512,
        flickr30k=(66.8, 84.1),
        coco=(39.3, 56.3),
        source=_OPENCLIP,
        good_for="General use: much more accurate than Pocket, and fast without a GPU.",
    ),
    ModelCard(
        ModelSpec(OPENAI, "CLIP ViT-B/32 (OpenAI)", OPENAI),
        size_mb=610,
        licence=_OPENAI_LICENCE,
        languages="English",
        width=512,
        flickr30k=(58.8, 78.9),
        coco=(30.4, 50.1),
        source=_OPENCLIP,
        good_for="Comparison with published work: the CLIP that most papers build on.",
    ),
    ModelCard(
        ModelSpec(_LARGE, "CLIP ViT-L/14 (OpenAI)", _LARGE),
        size_mb=1715,
        licence=_OPENAI_LICENCE,
        languages="English",
        width=768,
        flickr30k=(65.0, 85.2),
        coco=(36.5, 56.3),
        source=_OPENCLIP,
        good_for="Fine detail and rare concepts, on a computer with a GPU.",
    ),
    ModelCard(
        ModelSpec(_SIGLIP2, "SigLIP 2 B/16", _SIGLIP2),
        size_mb=1540,
        licence="Apache-2.0",
        languages="Many (trained on 109)",
        width=768,
        flickr30k=(80.7, 93.0),
        coco=(52.1, 68.9),
        source="SigLIP 2 paper (arXiv 2502.14786)",
        good_for="The highest recall in this table, in many languages.",
    ),
    ModelCard(
        ModelSpec(
            f"{_MULTILINGUAL} + {OPENAI}", "Multilingual CLIP ViT-B/32", OPENAI, _MULTILINGUAL
        ),
        size_mb=1153,
        licence=f"Apache-2.0 (text tower); {_OPENAI_LICENCE} (image tower)",
        languages="More than 50",
        width=512,
        flickr30k=None,
        coco=None,
        source="none published on these galleries",
        good_for="Captions in more than 50 languages, on a computer without a GPU.",
    ),
)
