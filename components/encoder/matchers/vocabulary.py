"""The word tokenizer of the older matchers: lower case, ASCII letters and digits only."""

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from components.encoder.recipe import TextRecipe
from components.encoder.tokenizer import CaptionTokenizer

LIMIT = 100  # words of a caption
PAD, UNKNOWN = "[PAD]", "[UNK]"


def learn(captions: Iterable[str], min_count: int = 2, max_words: int = 20_000) -> Tokenizer:
    """Return a tokenizer of the words with at least ``min_count`` uses; others are unknown."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            *(normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()),
            normalizers.Replace(Regex(r"[^a-z0-9]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(
        vocab_size=max_words,
        min_frequency=min_count,
        special_tokens=[PAD, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    return tokenizer


def words(tokenizer: Tokenizer) -> list[str]:
    """Return the words in the order of their ids; 0 is padding, 1 the unknown word."""
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


def recipe() -> TextRecipe:
    """Return how captions are tokenized: padded to the longest, truncated at `LIMIT` words."""
    return TextRecipe(
        limit=LIMIT, pad_to_limit=False, pad_left=False, pad_id=0, lower=True, library="tokenizers"
    )


def reader(folder: Path) -> CaptionTokenizer:
    """Return the tokenizer of a saved vocabulary (``tokenizer.json``)."""
    return CaptionTokenizer(folder, recipe())
