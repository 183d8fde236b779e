"""Images and captions are prepared as OpenAI's published CLIP code does it, to the pixel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoTokenizer, CLIPImageProcessorPil
from transformers.image_processing_backends import PilBackend

from components.encoder.recipe import PixelRecipe, Recipe, TextRecipe
from components.encoder.runtimes.load_towers import pixel_recipe
from components.encoder.tokenizer import CaptionTokenizer, clip_clean
from components.images import decode, sample_sources
from components.scores import ScoreRule
from tests import checkpoints, openai_clip

CLIP = PixelRecipe(
    height=224,
    width=224,
    shortest_edge=224,
    resample=3,
    scale=1 / 255,
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
)


@pytest.mark.parametrize(("margin", "start"), [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4)])
def test_the_crop_rounds_half_to_even(margin: int, start: int) -> None:
    """int(round(margin / 2.0)), worked out by hand; red is the column's number."""
    columns = np.tile(np.arange(224 + margin) % 256, (224, 1)).astype(np.uint8)
    image = np.stack([columns, np.zeros_like(columns), np.zeros_like(columns)], axis=-1)
    wide, high = Image.fromarray(image), Image.fromarray(image.transpose(1, 0, 2).copy())
    assert CLIP.pixels(wide)[0, 0, 0] == CLIP.pixels(high)[0, 0, 0] == start


def test_every_sample_image_is_prepared_as_openai_does() -> None:
    for source in sample_sources():
        image = decode(source, side=224)[1]
        pixels = (CLIP.pixels(image) * CLIP.scale - CLIP.mean) / np.array(CLIP.std)
        expected = openai_clip.pixel_values(image)[0].numpy()
        np.testing.assert_allclose(pixels.transpose(2, 0, 1), expected, atol=1e-5)


@pytest.mark.parametrize("edge", [32, 40, 41])  # 41: a crop with an odd margin on every image
def test_a_processor_that_resizes_and_crops_gives_a_recipe(edge: int) -> None:
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": edge}, crop_size={"height": 32, "width": 32}
    )
    recipe = pixel_recipe(processor)
    assert recipe is not None
    assert (recipe.shortest_edge, recipe.height, recipe.width) == (edge, 32, 32)


def _corner(_self: Any, image: Any, size: Any, **_: Any) -> Any:
    return image[:, : size.height, : size.width]


def _one_pixel_off(_self: Any, image: Any, size: Any, **_: Any) -> Any:
    top, left = ((length - size.height) // 2 + 1 for length in image.shape[1:])
    return image[:, top : top + size.height, left : left + size.width]


def _bilinear(self: Any, image: Any, size: Any, **_: Any) -> Any:
    return PilBackend.resize(self, image, size, Image.Resampling.BILINEAR)


@pytest.mark.parametrize(
    ("step", "other"),
    [("center_crop", _corner), ("center_crop", _one_pixel_off), ("resize", _bilinear)],
)
def test_a_processor_that_does_something_else_gives_no_recipe(
    step: str, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CLIPImageProcessorPil, step, other)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32}
    )
    assert pixel_recipe(processor) is None


# By the rules of OpenAI's simple_tokenizer.py: ftfy.fix_text (straight quotes, mended encodings,
# no ligatures or wide letters, entities unless there is a "<"), html.unescape twice, white space
# to single spaces, lower case.
CLEANED = [
    ("\u201ca dog\u2019s toy\u201d", '"a dog\'s toy"'),
    ("sch\u00c3\u00b6n", "sch\u00f6n"),
    ("it\u00e2\u20ac\u2122s", "it's"),
    ("a \ufb01ne \uff24\uff2f\uff27", "a fine dog"),
    ("a &amp; b", "a & b"),
    ("a &amp;amp; b", "a & b"),
    ("<a> &amp;amp;amp; b", "<a> &amp; b"),
    ("&lt;b&gt;", "<b>"),
    ("  A\tred \u00a0\n Dog ", "a red dog"),
    ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2"),
    ("a dog on the beach", "a dog on the beach"),
    ("", ""),
]


@pytest.mark.parametrize(("caption", "cleaned"), CLEANED)
def test_captions_are_cleaned_as_openai_does(caption: str, cleaned: str) -> None:
    assert clip_clean(caption) == cleaned


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
def test_clips_tokenizer_reads_the_cleaned_caption(library: Any, tmp_path: Path) -> None:
    checkpoints.clip_tokenizer().save_pretrained(tmp_path)
    recipe = TextRecipe(16, False, False, 0, False, library, clip_clean=True)
    tokenizer = CaptionTokenizer(tmp_path, recipe)
    expected = AutoTokenizer.from_pretrained(tmp_path)(["a fine dog"])["input_ids"]
    assert tokenizer.batch(["a \ufb01ne \uff24\uff2f\uff27"])[0].tolist() == expected


@pytest.mark.parametrize("library", ["tokenizers", "transformers"])
def test_what_clip_keeps_of_a_long_caption_is_shown_as_words(library: Any, tmp_path: Path) -> None:
    checkpoints.clip_tokenizer().save_pretrained(tmp_path)
    recipe = TextRecipe(16, False, False, 0, False, library, clip_clean=True)
    (reading,) = CaptionTokenizer(tmp_path, recipe).read(["\uff24\uff2f\uff27 " * 9])
    # A token is a letter here: 14 of 27 stand between the start and the end token.
    assert (reading.tokens, reading.kept) == (29, "dog dog dog dog do")


def test_a_recipe_survives_its_file() -> None:
    text = TextRecipe(77, False, False, 0, False, "tokenizers", clip_clean=True)
    recipe = Recipe("clip", 512, 64, CLIP, text, ScoreRule("softmax", 100.0))
    assert Recipe.from_json(recipe.to_json()) == recipe
