"""Tests of what a model understands: changed captions and images; and views to average."""

import io
import random
import re
from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

_ARTICLES = frozenset({"a", "an", "the"})
_COLOURS = (
    *("red", "blue", "green", "yellow", "black", "white", "orange", "purple"),
    *("brown", "pink", "gray", "grey"),
)
_OTHER_COLOUR = dict(
    zip(_COLOURS, (*_COLOURS[1:8], "red", "blue", "green", "red", "red"), strict=True)
)
_COUNTS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_OTHER_COUNT = {count: "seven" if count != "seven" else "two" for count in _COUNTS}
_PLURALS = {"person": "people", "man": "men", "woman": "women", "child": "children"}
# The end of the first noun phrase: a preposition, with the participle before it.
_JOINT = re.compile(
    r"\s((?:\w+(?:ing|ed)\s)?(?:on|in front of|in|at|under|above|over|beside|behind|near|with|"
    r"next to|of|among|through|into|from|by|against|around))\s",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CaptionVariant:
    """A changed caption. ``same``: whether its meaning is unchanged."""

    name: str
    caption: str
    same: bool


@dataclass(frozen=True)
class ImageVariant:
    """A changed image, to which the same caption still applies."""

    name: str
    image: Image.Image


def caption_variants(caption: str) -> list[CaptionVariant]:
    """Return the variants of a caption that simple rules for English make, without duplicates.

    Two rephrase it; the others change its meaning, so they should score lower. A rule that
    changes nothing gives no variant.
    """
    variants = [
        CaptionVariant("rephrased: a photo of", f"a photo of {caption}", same=True),
        CaptionVariant("rephrased: capitals", caption.upper(), same=True),
        CaptionVariant("negation: no", _negated(caption), same=False),
        CaptionVariant("negation: without", f"a photo without {caption}", same=False),
        CaptionVariant("nouns swapped", _swapped(caption), same=False),
        CaptionVariant("another colour", _replaced(caption, _OTHER_COLOUR), same=False),
        CaptionVariant("another count", _counted(caption), same=False),
        CaptionVariant("words backwards", " ".join(reversed(caption.split())), same=False),
        CaptionVariant("words shuffled", _shuffled(caption), same=False),
    ]
    first = {variant.caption: variant for variant in reversed(variants)}
    return [each for each in variants if each.caption != caption and first[each.caption] is each]


def _negated(caption: str) -> str:
    first, _, rest = caption.partition(" ")
    return f"no {rest}" if first.lower() in _ARTICLES and rest else f"no {caption}"


def _swapped(caption: str) -> str:
    joint = _JOINT.search(caption)
    if not joint:
        return caption
    return f"{caption[joint.end() :]} {joint[1]} {caption[: joint.start()]}"


def _replaced(caption: str, others: dict[str, str]) -> str:
    def other(word: re.Match[str]) -> str:
        return others.get(word[0].lower(), word[0])

    return re.sub(r"\w+", other, caption)


def _counted(caption: str) -> str:
    """Return the caption with another number, or with seven of its first noun phrase."""
    changed = _replaced(caption, _OTHER_COUNT)
    first, _, rest = caption.partition(" ")
    if changed != caption or first.lower() not in {"a", "an"} or not rest:
        return changed
    joint = _JOINT.search(f" {rest}")
    end = max(joint.start() - 1, 0) if joint else len(rest)
    return f"seven {_plural(rest[:end])}{rest[end:]}" if end else caption


def _plural(phrase: str) -> str:
    before, _, noun = phrase.rpartition(" ")
    if noun in _PLURALS:
        return f"{before} {_PLURALS[noun]}".strip()
    if phrase.endswith(("s", "x", "ch", "sh")):
        return f"{phrase}es"
    if phrase.endswith("y") and phrase[-2:-1] not in set("aeiou"):
        return f"{phrase[:-1]}ies"
    return f"{phrase}s"


def _shuffled(caption: str) -> str:
    parts = caption.split()
    random.Random(caption).shuffle(parts)  # noqa: S311 - not a secret
    return " ".join(parts)


def image_variants(image: Image.Image) -> list[ImageVariant]:
    """Return an RGB image with low contrast, blurred, cropped, rotated, compressed, part hidden."""
    width, height = image.size
    short = min(image.size)
    inner = (width // 5, height // 5, width - width // 5, height - height // 5)
    return [
        ImageVariant("low contrast", ImageEnhance.Contrast(image).enhance(0.3)),
        ImageVariant("blur", image.filter(ImageFilter.GaussianBlur(short / 60))),
        ImageVariant("centre crop", image.crop(inner)),
        ImageVariant("rotated by 90°", image.transpose(Image.Transpose.ROTATE_90)),
        ImageVariant("JPEG at quality 10", _compressed(image)),
        ImageVariant("centre hidden", _hidden(image)),
    ]


def _compressed(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=10)
    return Image.open(out).convert("RGB")


def _hidden(image: Image.Image) -> Image.Image:
    width, height = image.size
    copy = image.copy()
    copy.paste(
        (128, 128, 128), (3 * width // 10, 3 * height // 10, 7 * width // 10, 7 * height // 10)
    )
    return copy


def views(image: Image.Image) -> list[Image.Image]:
    """Return eight views of an RGB image, whose mean vector ranks a little better than one.

    The image, its mirror image, five crops of 85% of the shorter side (corners and centre), and
    one with stretched contrast (test-time augmentation: Krizhevsky et al. 2012, section 4.1, ten
    crops). `cli.py bench views` measures the gain.
    """
    side = max(1, round(0.85 * min(image.size)))
    right, bottom = image.width - side, image.height - side
    corners = [(0, 0), (right, 0), (0, bottom), (right, bottom), (right // 2, bottom // 2)]
    crops = [image.crop((x, y, x + side, y + side)) for x, y in corners]
    return [image, ImageOps.mirror(image), *crops, ImageOps.autocontrast(image, cutoff=1)]
