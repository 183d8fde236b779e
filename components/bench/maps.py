"""Speed and faithfulness of occlusion maps."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components import explain
from components.bench.baseline import RANDOM_CLIP, Plain, located
from components.bench.measure import Say
from components.datasets import captioned
from components.encoder import Encoder, decode_for, load
from components.images import Source, sample_captions, sample_sources, source_of
from components.models import Located


def maps(folder: Path | None, rounds: int, say: Say) -> None:
    """Print the speed of a map, against plain torch, and its deletion and insertion scores.

    The scores are on the sample images and, with ``folder``, on 100 images of its dev split.
    """
    for model_id in ("pocket", RANDOM_CLIP):
        with located(model_id) as place:
            _speed(model_id, place, rounds, say)
    encoder = load("pocket")
    captions = sample_captions()
    samples = [(source, captions[source.name]) for source in sample_sources()]
    _faithfulness("sample images", encoder, samples, say)
    if folder:
        examples = captioned.read(folder).split("dev")[:100]
        pairs = [(source_of(example.image), example.captions[0]) for example in examples]
        _faithfulness(f"{folder.name}, dev", encoder, pairs, say)


def _speed(model_id: str, place: Located, rounds: int, say: Say) -> None:
    encoder, plain = load(place), Plain(place)
    image = decode_for(encoder, sample_sources()[5])[1]
    text = encoder.texts(["a cat"])[0]
    times: dict[str, list[float]] = {"map": [], "faithfulness check": [], "plain torch f32": []}
    for turn in range(rounds + 1):
        marks = [time.perf_counter()]
        occlusion = explain.occlude(encoder, image)
        marks.append(time.perf_counter())
        explain.curves(encoder, occlusion, explain.saliency(occlusion, text), text)
        marks.append(time.perf_counter())
        for batch in plain.floats(
            np.repeat(occlusion.view[None], len(occlusion.hidden) + 1, 0)
        ).split(32):
            plain.tower(batch)
        marks.append(time.perf_counter())
        if turn:
            for name, seconds in zip(times, np.diff(marks), strict=True):
                times[name].append(float(seconds))
    medians = {name: statistics.median(each) for name, each in times.items()}
    say(f"\n{model_id}, {encoder.runtime.library}, {encoder.runtime.precision}: seconds a cell")
    for name, median in medians.items():
        say(f"  {name:<34}{median:>6.2f}")
    say(f"  map, ours against plain torch f32 {medians['plain torch f32'] / medians['map']:>5.1f}x")


def _faithfulness(
    name: str, encoder: Encoder, items: Sequence[tuple[Source, str]], say: Say
) -> None:
    curves = []
    for source, caption in items:
        image = decode_for(encoder, source)[1]
        occlusion, text = explain.occlude(encoder, image), encoder.texts([caption])[0]
        curves.append(explain.curves(encoder, occlusion, explain.saliency(occlusion, text), text))
    say(f"\n{name}, {len(curves)} images with their own captions: mean height of the cosine")
    say(f"{'':<12}{'by the map':>12}{'at random':>12}{'better on':>12}")
    for test, sign in (("deletion", -1), ("insertion", 1)):
        own = np.array([explain.area(getattr(each, test)) for each in curves])
        random = np.array([explain.area(getattr(each, f"random_{test}")) for each in curves])
        better = (sign * own > sign * random).mean()
        say(f"{test:<12}{own.mean():>12.3f}{random.mean():>12.3f}{better:>12.0%}")
    tenth = np.mean([each.deletion[:1] - each.deletion[1:2] for each in curves])
    at_random = np.mean([each.random_deletion[:1] - each.random_deletion[1:2] for each in curves])
    say(f"{'first tenth':<12}{tenth:>12.3f}{at_random:>12.3f}   (fall of the cosine when hidden)")
