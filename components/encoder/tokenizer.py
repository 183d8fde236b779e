"""Captions -> token ids, and what the model's limit cuts off."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from components.encoder.recipe import TextRecipe

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """How the model reads one caption: its length in tokens, and what the limit keeps of it."""

    tokens: int
    limit: int
    kept: str  # the text up to the limit, as the tokenizer decodes it; "" where nothing was cut

    @property
    def cut(self) -> bool:
        """Whether the caption is longer than the model can read."""
        return self.tokens > self.limit


class _Backend(Protocol):
    """A tokenizer with a limit on the tokens of a caption."""

    def ids(self, texts: list[str], truncate: bool) -> list[list[int]]: ...
    def text(self, ids: list[int]) -> str: ...


class _Fast:
    """The `tokenizers` library alone: 40 ms to load, where transformers takes seconds."""

    def __init__(self, file: Path, limit: int) -> None:
        from tokenizers import Tokenizer

        self._whole = Tokenizer.from_file(str(file))
        self._whole.no_padding()
        self._whole.no_truncation()
        # Truncation is a setting of the object: with two of them, threads can share both.
        self._truncating = Tokenizer.from_str(self._whole.to_str())
        self._truncating.enable_truncation(limit)
        # CLIP's words end in "</w>", which the library's decoder leaves in the text.
        self._suffix = getattr(self._whole.model, "end_of_word_suffix", None)

    def ids(self, texts: list[str], truncate: bool) -> list[list[int]]:
        tokenizer = self._truncating if truncate else self._whole
        return [encoding.ids for encoding in tokenizer.encode_batch(texts)]

    def text(self, ids: list[int]) -> str:
        text = str(self._whole.decode(ids, skip_special_tokens=True))
        return text.replace(self._suffix, " ").strip() if self._suffix else text


class _Transformers:
    """For tokenizers that are Python code, such as SigLIP's."""

    def __init__(self, folder: Path, limit: int) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._limit = limit

    def ids(self, texts: list[str], truncate: bool) -> list[list[int]]:
        options = {"truncation": True, "max_length": self._limit} if truncate else {}
        return list(self._tokenizer(texts, verbose=False, **options)["input_ids"])

    def text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class CaptionTokenizer:
    """A checkpoint's tokenizer under its `TextRecipe`."""

    def __init__(self, folder: Path, recipe: TextRecipe) -> None:
        """Load from ``folder``: its ``tokenizer.json``, or what `AutoTokenizer` needs."""
        self._backend: _Backend = (
            _Fast(folder / "tokenizer.json", recipe.limit)
            if recipe.library == "tokenizers"
            else _Transformers(folder, recipe.limit)
        )
        self.recipe = recipe

    def read(self, captions: Sequence[str]) -> list[Reading]:
        """Return for each caption how many tokens it has and what the limit keeps of it."""
        texts, limit = self._texts(captions), self.recipe.limit
        whole = self._backend.ids(texts, truncate=False)
        return [
            Reading(len(ids), limit, self._kept(text) if len(ids) > limit else "")
            for ids, text in zip(whole, texts, strict=True)
        ]

    def batch(self, captions: Sequence[str]) -> tuple[Ids, Ids]:
        """Return ids and attention mask, both (captions, tokens) int64, padded and truncated."""
        rows = self._backend.ids(self._texts(captions), truncate=True)
        longest = max(map(len, rows), default=1)
        shape = (len(rows), self.recipe.limit if self.recipe.pad_to_limit else longest)
        ids = np.full(shape, self.recipe.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, tokens in enumerate(rows):
            start = shape[1] - len(tokens) if self.recipe.pad_left else 0
            place = slice(start, start + len(tokens))
            ids[row, place], mask[row, place] = tokens, 1
        return ids, mask

    def _texts(self, captions: Sequence[str]) -> list[str]:
        if self.recipe.clip_clean:
            return [clip_clean(text) for text in captions]
        return [text.lower() if self.recipe.lower else text for text in captions]

    def _kept(self, text: str) -> str:
        return self._backend.text(self._backend.ids([text], truncate=True)[0])


def clip_clean(text: str) -> str:
    """Return a caption as CLIP's tokenizer cleans it before it splits words.

    OpenAI's CLIP, simple_tokenizer.py: ``basic_clean`` (ftfy, HTML entities twice),
    ``whitespace_clean``, lower case. OpenCLIP does the same.
    """
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(text.split()).lower()
