"""Captions -> word ids, as the older matchers read them: lower case, letters and digits alone."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from components.encoder.recipe import TextRecipe
from components.encoder.tokenizer import CaptionTokenizer

LIMIT = 100  # words of a caption
PAD, UNKNOWN = "[PAD]", "[UNK]"


def learn(captions: Iterable[str], least: int = 2, most: int = 20_000) -> Tokenizer:
    """Return a tokenizer of the words that come ``least`` times or more; the rest are unknown."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()),
            normalizers.Replace(Regex(r"[^a-z0-9]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(
        vocab_size=most, min_frequency=least, special_tokens=[PAD, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(captions, trainer)
    return tokenizer


def words(tokenizer: Tokenizer) -> list[str]:
    """Return the words by id; padding is 0, every unknown word 1."""
    known = tokenizer.get_vocab()
    return sorted(known, key=known.__getitem__)


def recipe() -> TextRecipe:
    """Return how captions become rows: padded on the right to the longest, cut at `LIMIT`."""
    return TextRecipe(
        limit=LIMIT, pad_to_limit=False, pad_left=False, pad_id=0, lower=True, library="tokenizers"
    )


def reader(folder: Path) -> CaptionTokenizer:
    """Return the reader of a saved vocabulary (``tokenizer.json``)."""
    return CaptionTokenizer(folder, recipe())
