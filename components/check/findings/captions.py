"""Captions that are repeated, uninformative, cut, empty, unread by the model, or hold markup."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from components.check.caption_set import CaptionSet
from components.check.findings.finding import Finding
from components.encoder import Encoder, batched
from components.scores import Floats
from components.words import count

_BEGINNING = 4000  # characters that are looked at: no model reads more of a caption
_REPEATED = 5  # images under the same caption
_BATCH = 1000  # captions tokenized, or compared with images, at once

_WORD = re.compile(r"[^\W_]")  # a letter or a digit
_END = " .!?,;:\u3002\uff01\uff1f"  # final punctuation, of Chinese and Japanese as well
# Each pattern begins at a rare character and looks a limited number ahead: linear on any text.
_MARKUP = {
    "HTML": re.compile(r"</?[a-z][^<>]{0,200}>|&(?:[a-z]{2,8}|#\d{1,7}|#x[0-9a-f]{1,6});", re.I),
    "a web address": re.compile(r"https?://|\bwww\.\w", re.I),
    "an e-mail address": re.compile(r"(?<=\w)@[\w-]{1,63}\.[a-z]{2}", re.I),
    "a file name": re.compile(
        r"(?<=\w)\.(?:jpe?g|png|gif|webp|bmp|tiff?|heic|avif|svg|pdf|psd|mp4|mov)\b"
        r"|\b(?:IMG|DSC[NF]?|PICT|VID)[_-]?\d{3}",
        re.I,
    ),
}

# A caption is uninformative that fits nearly all images better than most captions fit them, and not
# its own image best. Measured with Pocket, and 42 such as "a photo", "nice" and "click to view" put
# under random images: 66% are found in Flickr8k, 80% among captions from the web; of the real ones,
# none of 40,000 and 3 of 10,371.
_FITS = 0.9  # share of the images
_BETTER = 0.05  # share of the images that it fits better than its own
_SAMPLE = 1000  # images, and captions, that stand for all of the dataset
_FEW = 20  # of either: "nearly all" of fewer says little

# A tokenizer knows a script whose letters it joins and of which hardly a token is unknown. BERT's
# English one makes 1.0 token of each Cyrillic letter, CLIP's 2.5 of each Chinese; those trained on
# a language make one of 3 to 5 letters, or of 1 to 2 where a letter is a syllable or a word.
_JOINED, _JOINED_DENSE = 1.5, 0.7  # letters a token
_DENSE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "YI", "ETHIOPIC", "CHEROKEE"})
_UNKNOWN = 0.1  # share of unknown tokens
_RARE = ("\U00010000", "\U00012000", "\U00016f00")  # of Linear B, cuneiform and Miao
_SCRIPTS = {"CJK": "Chinese", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


def caption_findings(
    data: CaptionSet, texts: Floats, images: Floats, encoder: Encoder
) -> list[Finding]:
    """Return the findings about captions, kind by kind, each kind in the order of the table.

    ``texts`` (m, width) and ``images`` (n, width) are unit vectors of the captions and images.
    An empty caption, or one in a script that the model does not read, has no other finding about
    what it says.
    """
    begun = [caption[:_BEGINNING] for caption in data.captions]
    empty = {row for row, text in enumerate(begun) if not _WORD.search(text)}
    unread = _unread(begun, encoder)
    silent = empty | set(unread)
    details: dict[str, Mapping[int, str]] = {
        "Uninformative": {
            row: why for row, why in _uninformative(data, texts, images) if row not in silent
        },
        "Truncated": dict(_truncated(data.captions, encoder)),
        "Empty caption": dict.fromkeys(
            sorted(empty), "It has no letters or digits: write a caption, or leave the pair out."
        ),
        "Other script": unread,
        "Markup": dict(_marked(begun)),
    }
    return [*_repeated(data, begun, empty)] + [
        Finding(kind, (data.image_of(row),), (row,), detail)
        for kind, rows in details.items()
        for row, detail in rows.items()
    ]


def _repeated(data: CaptionSet, texts: Sequence[str], empty: set[int]) -> Iterator[Finding]:
    """Yield a finding for each text that stands under many images, the most frequent first."""
    rows = defaultdict(list)
    for row, text in enumerate(texts):
        if row not in empty:
            rows[folded(text)].append(row)
    for same in sorted(rows.values(), key=len, reverse=True):
        images = tuple(dict.fromkeys(data.image_of(row) for row in same))
        if len(images) >= _REPEATED:
            detail = f"{count(len(images), 'image')} have this caption: say what each one shows."
            yield Finding("Repeated caption", images, tuple(same), detail)


def folded(caption: str) -> str:
    """Return a caption without regard to case, white space and final punctuation."""
    return " ".join(caption.casefold().split()).rstrip(_END)


def _uninformative(data: CaptionSet, texts: Floats, images: Floats) -> Iterator[tuple[int, str]]:
    """Yield rows that fit nearly all images better than the median caption of the dataset."""
    rng = np.random.default_rng(0)
    distinct = {folded(text[:_BEGINNING]): row for row, text in enumerate(data.captions)}
    others = rng.permutation(list(distinct.values()))[:_SAMPLE]
    shown = images[rng.permutation(len(images))[:_SAMPLE]]
    if len(others) < _FEW or len(shown) < _FEW:
        return
    usual = np.median(texts[others] @ shown.T, axis=0)  # (images,)
    for start in range(0, len(texts), _BATCH):
        rows = slice(start, start + _BATCH)
        cosines = texts[rows] @ shown.T
        own = (texts[rows] * images[data.owner[rows]]).sum(axis=1, keepdims=True)
        fits, better = (cosines > usual).mean(axis=1), (cosines > own).mean(axis=1)
        for row in np.flatnonzero((fits >= _FITS) & (better >= _BETTER)):
            detail = (
                f"It fits {fits[row]:.0%} of the images better than most captions fit them: say"
                " what sets this image apart."
            )
            yield start + int(row), detail


def _truncated(captions: Sequence[str], encoder: Encoder) -> Iterator[tuple[int, str]]:
    """Yield rows of which the model does not read the end."""
    for start, batch in enumerate(batched(captions, _BATCH)):
        readings = encoder.read([caption[:_BEGINNING] for caption in batch])
        for row, (caption, reading) in enumerate(zip(batch, readings, strict=True)):
            if reading.cut:
                more = "more than " if len(caption) > _BEGINNING else ""
                detail = (
                    f"The model reads {reading.limit} of its {more}{reading.tokens:,} tokens:"
                    " begin with what matters, or shorten it."
                )
                yield start * _BATCH + row, detail


def _unread(texts: Sequence[str], encoder: Encoder) -> dict[int, str]:
    """Return the rows of which most letters are of a script that the tokenizer does not know."""
    rows = defaultdict(list)
    for row, text in enumerate(texts):
        if not text.isascii():
            rows[_script(text)].append(row)
    return {
        row: f"The model does not read {_SCRIPTS.get(script, script.capitalize())} letters:"
        " translate the caption, or choose a model that does."
        for script, found in rows.items()
        if script not in {"", "LATIN"} and not _knows(encoder, script, [texts[i] for i in found])
        for row in found
    }


def _script(text: str) -> str:
    """Return the script of most letters of a text, as Unicode names it; "" without letters."""
    scripts = Counter(map(_script_of, filter(str.isalpha, text)))
    return scripts.most_common(1)[0][0] if scripts else ""


@cache
def _script_of(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]


def _knows(encoder: Encoder, script: str, texts: Sequence[str]) -> bool:
    """Return whether a tokenizer joins the letters of a script, and hardly any are unknown."""
    sample = texts[:_BATCH]
    ids, mask = encoder.tokenizer.batch(sample)
    unknown = np.isin(ids, list(_unknown(encoder))) & (mask > 0)
    if unknown.sum() > _UNKNOWN * mask.sum():
        return False
    around = encoder.read([""])[0].tokens  # special tokens at the start and the end
    tokens = sum(reading.tokens - around for reading in encoder.read(sample))
    letters = sum(len(text) - text.count(" ") for text in sample)
    return letters >= tokens * (_JOINED_DENSE if script in _DENSE else _JOINED)


def _unknown(encoder: Encoder) -> frozenset[int]:
    """Return the token that stands for all letters a tokenizer does not know, if it has one."""
    # After a known letter, so that a token for the start of a word is not taken for it.
    ids, mask = encoder.tokenizer.batch([*(f"a{letter}" for letter in _RARE), "a"])
    *rare, known = (set(row[kept > 0].tolist()) for row, kept in zip(ids, mask, strict=True))
    return frozenset(set.intersection(*rare) - known)


def _marked(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield rows with markup, addresses or file names."""
    for row, text in enumerate(texts):
        kinds = [kind for kind, pattern in _MARKUP.items() if pattern.search(text)]
        if kinds:
            yield row, f"It contains {', '.join(kinds)}: leave only what the image shows."
