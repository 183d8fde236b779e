"""Training the CNN + BiLSTM pair matcher on as many true as false captions."""

from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from components.encoder import CaptionTokenizer
from components.encoder.matchers.pair_matcher import PairConfig, PairMatcher
from components.training.learner import BatchLearner
from components.training.loader import Batch, TrainDev, parts
from components.training.plan import Plan


class PairMatcherLearner(BatchLearner):
    """The pair matcher. Its dev figure is the accuracy on as many true pairs as false ones."""

    def __init__(
        self,
        module: PairMatcher,
        reader: CaptionTokenizer,
        images: TrainDev,
        plan: Plan,
        batch: int,
    ) -> None:
        """Train on the first of ``images``, ``batch`` pairs a step; measure on the second."""
        super().__init__(module, reader, images, plan, batch)
        module.image.blocks.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # known

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "scale": 1.0}]

    def identity(self) -> dict[str, Any]:
        return {"batch": self.batch, **self.data()}

    def gradients(self, batch: Batch) -> float:
        """Binary cross-entropy of each image with its caption, and with another image's."""
        images = self._images(batch.pixels)
        texts = self.module.text(*self.tokens(batch.captions))
        shift = int(torch.randint(1, len(texts), ()))
        logits = self.module(images.repeat(2, 1), torch.cat([texts, texts.roll(shift, 0)])).float()
        labels = torch.cat([torch.ones(len(texts)), torch.zeros(len(texts))]).to(logits.device)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own hole
        return loss.item()

    def dev(self) -> float:
        """Return the share of correct decisions at a probability of one half."""
        images = torch.cat([self._images(pixels) for pixels in parts(self.dev_set.pixels, 32)])
        captions = [example.captions[0] for example in self.dev_set.examples]
        texts = self.module.text(*self.tokens(captions))
        own = self.module(images, texts) > 0
        other = self.module(images, texts.roll(1, 0)) > 0
        return float((own.float().mean() + 1 - other.float().mean()) / 2)

    def _images(self, pixels: Tensor) -> Tensor:
        return self.module.image(pixels.to(self.plan.device))  # type: ignore[no-any-return]


def blank(tokenizer: Tokenizer, seed: int) -> tuple[PairMatcher, PairConfig]:
    """Return an untrained matcher for a vocabulary, and its configuration."""
    torch.manual_seed(seed)
    config = PairConfig(words=tokenizer.get_vocab_size())
    return PairMatcher(config), config
