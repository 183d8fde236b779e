"""Training the CNN + BiLSTM pair matcher: true and false captions, drawn evenly."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from components.encoder import CaptionTokenizer
from components.encoder.matchers.pair_matcher import PairConfig, PairMatcher
from components.training.loader import Batch, DecodedExamples, batches, parts, steps
from components.training.loop import Plan


class PairMatcherLearner:
    """The matcher and its pairs. Dev is the accuracy on as many true pairs as false ones."""

    def __init__(
        self,
        module: PairMatcher,
        reader: CaptionTokenizer,
        images: tuple[DecodedExamples, DecodedExamples],
        plan: Plan,
        batch: int,
    ) -> None:
        """Learn from the first of ``images``, measure on the second."""
        self.module, self.reader, self.plan, self.batch = module, reader, plan, batch
        self.train, self.dev_set = images
        module.image.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # known

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "scale": 1.0}]

    def facts(self) -> dict[str, Any]:
        return {"batch": self.batch, "data": self.train.key, "dev": self.dev_set.key}

    def steps(self, epoch: int) -> int:
        return steps(self.train, self.batch)

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        return batches(self.train, self.batch, self.plan.seed, epoch, first)

    def gradients(self, batch: Batch) -> float:
        """Binary cross-entropy of each image with its caption, and with another image's."""
        images = self._images(batch.pixels)
        texts = self._texts(batch.captions)
        far = int(torch.randint(1, len(texts), ()))
        logits = self.module(images.repeat(2, 1), torch.cat([texts, texts.roll(far, 0)])).float()
        labels = torch.cat([torch.ones(len(texts)), torch.zeros(len(texts))]).to(logits.device)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def names(self, batch: Batch) -> str:
        return self.train.names(batch.rows)

    def dev(self) -> float:
        """Return the share of right answers, at a probability of one half."""
        images = torch.cat([self._images(pixels) for pixels in parts(self.dev_set.pixels, 32)])
        texts = self._texts([example.captions[0] for example in self.dev_set.examples])
        own = self.module(images, texts) > 0
        other = self.module(images, texts.roll(1, 0)) > 0
        return float((own.float().mean() + 1 - other.float().mean()) / 2)

    def _images(self, pixels: Tensor) -> Tensor:
        return self.module.image(pixels.to(self.plan.device))  # type: ignore[no-any-return]

    def _texts(self, captions: Sequence[str]) -> Tensor:
        ids, mask = (
            torch.from_numpy(rows).to(self.plan.device) for rows in self.reader.batch(captions)
        )
        return self.module.text(ids, mask)  # type: ignore[no-any-return]


def blank(tokenizer: Tokenizer, seed: int) -> tuple[PairMatcher, PairConfig]:
    """Return an untrained matcher for a vocabulary."""
    torch.manual_seed(seed)
    config = PairConfig(words=tokenizer.get_vocab_size())
    return PairMatcher(config), config
