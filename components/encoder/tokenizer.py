"""Captions -> token ids, and an honest account of what was cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from components.encoder.recipe import TextRecipe

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """How the model reads one caption: its length in tokens, and what it kept."""

    tokens: int
    limit: int
    kept: str  # the text up to the limit, as the tokenizer spells it; "" where nothing was cut

    @property
    def cut(self) -> bool:
        """Whether the caption is longer than the model can read."""
        return self.tokens > self.limit


class _Backend(Protocol):
    def ids(self, texts: list[str], limit: int | None) -> list[list[int]]: ...
    def text(self, ids: list[int]) -> str: ...


class _Fast:
    """The `tokenizers` library alone: 40 ms to load, where transformers takes seconds."""

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        self._whole = Tokenizer.from_file(str(file))
        self._whole.no_padding()
        self._whole.no_truncation()
        self._json = self._whole.to_str()
        self._cut: dict[int, Any] = {}

    def ids(self, texts: list[str], limit: int | None) -> list[list[int]]:
        tokenizer = self._whole if limit is None else self._limited(limit)
        return [encoding.ids for encoding in tokenizer.encode_batch(texts)]

    def text(self, ids: list[int]) -> str:
        return str(self._whole.decode(ids, skip_special_tokens=True))

    def _limited(self, limit: int) -> Any:
        # Truncation is a setting of the object: a second one keeps the first safe to share.
        if limit not in self._cut:
            tokenizer = type(self._whole).from_str(self._json)
            tokenizer.enable_truncation(limit)
            self._cut[limit] = tokenizer
        return self._cut[limit]


class _Transformers:
    """For the tokenizers that are Python code: SigLIP's."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def ids(self, texts: list[str], limit: int | None) -> list[list[int]]:
        rule = {"truncation": True, "max_length": limit} if limit else {"truncation": False}
        return list(self._tokenizer(texts, verbose=False, **rule)["input_ids"])

    def text(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))


class CaptionTokenizer:
    """A checkpoint's tokenizer under its `TextRecipe`."""

    def __init__(self, folder: Path, recipe: TextRecipe) -> None:
        """Load from ``folder``: its ``tokenizer.json``, or what `AutoTokenizer` needs."""
        fast = recipe.library == "tokenizers"
        self._backend: _Backend = (
            _Fast(folder / "tokenizer.json") if fast else _Transformers(folder)
        )
        self.recipe = recipe

    def read(self, captions: Sequence[str]) -> list[Reading]:
        """Return for each caption how many tokens it has and what the limit leaves of it."""
        texts, limit = self._texts(captions), self.recipe.limit
        whole = self._backend.ids(texts, None)
        return [
            Reading(len(ids), limit, self._kept(text) if len(ids) > limit else "")
            for ids, text in zip(whole, texts, strict=True)
        ]

    def batch(self, captions: Sequence[str]) -> tuple[Ids, Ids]:
        """Return token ids and attention mask, both (captions, tokens) int64, padded and cut."""
        rows = self._backend.ids(self._texts(captions), self.recipe.limit)
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
        return [text.lower() if self.recipe.lower else text for text in captions]

    def _kept(self, text: str) -> str:
        return self._backend.text(self._backend.ids([text], self.recipe.limit)[0])
