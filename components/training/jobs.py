"""The three kinds of training job: their settings, and the learner that each prepares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from tokenizers import Tokenizer

from components.encoder import CaptionTokenizer
from components.encoder.matchers import glove, vocabulary
from components.encoder.matchers.densenet_lstm import SIDE as EMBEDDING_SIDE
from components.encoder.matchers.glove import WordVectors
from components.encoder.matchers.pair_matcher import SIDE as PAIR_SIDE
from components.encoder.matchers.saved import save_matcher
from components.encoder.runtimes.load_towers import load_towers
from components.files import write_bytes
from components.models import locate, resolve
from components.training import densenet_lstm, dual, pair_matcher
from components.training.densenet_lstm import DenseNetLstmLearner, Margin
from components.training.dual import DualLearner, Tuning
from components.training.learner import Learner
from components.training.loader import DecodedExamples, Decoding, TrainDev
from components.training.pair_matcher import PairMatcherLearner
from components.training.plan import Plan


@dataclass(frozen=True)
class Prepared:
    """A learner, what writes its model into a folder, and notes for the person."""

    learner: Learner
    save: Callable[[Path], None]
    notes: tuple[str, ...] = ()
    # dev's unit vectors of captions and images, and each caption's image row; only of a model that
    # was trained before, which is measured before and after
    vectors: Callable[[], tuple[Any, Any, Any]] | None = None


class Job(Protocol):
    """What is trained, and how. Its fields travel to the worker as JSON."""

    @property
    def plan(self) -> Plan: ...

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """Return the job of `asdict`'s fields, read from JSON."""

    def decoding(self) -> Decoding:
        """Return how images are decoded. Raises TrainingError where they vary in size."""

    def prepare(self, images: TrainDev, out: Path) -> Prepared:
        """Return the learner of ``images``; ``out`` is the run's folder. Raises TrainingError."""


@dataclass(frozen=True)
class PairMatcherJob:
    """Train the CNN + BiLSTM pair matcher from scratch."""

    plan: Plan
    batch: int = 32

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        return cls(Plan(**fields["plan"]), fields["batch"])

    @staticmethod
    def decoding() -> Decoding:
        return Decoding(PAIR_SIDE, "squeeze")

    def prepare(self, images: TrainDev, out: Path) -> Prepared:
        tokenizer, reader = _vocabulary(images[0], out)
        network, config = pair_matcher.blank(tokenizer, self.plan.seed)
        learner = PairMatcherLearner(network, reader, images, self.plan, self.batch)
        return Prepared(learner, lambda folder: save_matcher(folder, network, config, tokenizer))


@dataclass(frozen=True)
class DenseNetLstmJob:
    """Train the DenseNet + LSTM from scratch, or from pretrained parts."""

    plan: Plan
    margin: Margin = field(default_factory=Margin)
    glove: Path | None = None  # a text file of word vectors
    mobilenet: Path | None = None  # a folder, used in place of DenseNet-121
    densenet: Path | None = None  # torchvision's checkpoint

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        files = (fields[name] for name in ("glove", "mobilenet", "densenet"))
        paths = (Path(file) if file else None for file in files)
        return cls(Plan(**fields["plan"]), Margin(**fields["margin"]), *paths)

    @staticmethod
    def decoding() -> Decoding:
        return Decoding(EMBEDDING_SIDE, "crop")

    def prepare(self, images: TrainDev, out: Path) -> Prepared:
        tokenizer, reader = _vocabulary(images[0], out)
        vectors = glove.read(self.glove, vocabulary.words(tokenizer)) if self.glove else None
        network, config = densenet_lstm.blank(
            tokenizer, self.plan.seed, self.mobilenet, self.densenet, vectors
        )
        learner = DenseNetLstmLearner(network, reader, images, self.plan, self.margin)

        def save(folder: Path) -> None:
            scale = densenet_lstm.fitted_scale(*learner.vectors())
            save_matcher(folder, network, config, tokenizer, scale)

        return Prepared(learner, save, (*self._backbone_note(), _words_note(vectors)))

    def _backbone_note(self) -> tuple[str, ...]:
        if self.mobilenet:
            return ("MobileNetV2 with ImageNet weights is used in place of DenseNet-121.",)
        if self.densenet:
            return ()
        return ("DenseNet-121 starts from random weights: no checkpoint was given.",)


@dataclass(frozen=True)
class DualJob:
    """Fine-tune a dual encoder."""

    plan: Plan
    base: str = "pocket"  # the id of the checkpoint to start from
    tuning: Tuning = field(default_factory=Tuning)

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        return cls(Plan(**fields["plan"]), fields["base"], Tuning(**fields["tuning"]))

    def decoding(self) -> Decoding:
        return dual.decoding(load_towers(locate(resolve(self.base))).recipe, self.base)

    def prepare(self, images: TrainDev, out: Path) -> Prepared:
        learner = DualLearner(locate(resolve(self.base)), images, self.plan, self.tuning)
        return Prepared(learner, learner.save, vectors=learner.vectors)


JOBS: Mapping[str, type[Job]] = {
    each.__name__: each for each in (PairMatcherJob, DenseNetLstmJob, DualJob)
}


def _vocabulary(images: DecodedExamples, out: Path) -> tuple[Tokenizer, CaptionTokenizer]:
    """Return a tokenizer of the captions' words, written into ``out``, and its reader."""
    tokenizer = vocabulary.learn(images.captions)
    write_bytes(out / "tokenizer.json", tokenizer.to_str().encode())
    return tokenizer, vocabulary.reader(out)


def _words_note(vectors: WordVectors | None) -> str:
    if vectors is None:
        return "Word vectors start from random values: no GloVe file was given."
    known, words = vectors.known.sum(), len(vectors.known)
    return f"GloVe has vectors for {known:,} of {words:,} words; the others start from random ones."
