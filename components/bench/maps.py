"""How fast a map of why is, and how far it can be believed."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components import explain
from components.bench.baseline import RANDOM_CLIP, Plain, located
from components.bench.measure import Say
from components.bench.recall import read_split
from components.encoder import Encoder, decode_for, load
from components.images import Source, sample_captions, sample_sources, source_of
from components.models import Located, locate, resolve


def maps(folder: Path | None, rounds: int, say: Say) -> None:
    """Print how fast a map is, against plain torch, and how much better than chance.

    ``folder``, where given, adds a hundred of its dev images to the samples.
    """
    for model_id in ("pocket", RANDOM_CLIP):
        with located(model_id) as place:
            _speed(model_id, place, rounds, say)
    encoder = load(locate(resolve("pocket")))
    captions = sample_captions()
    own = [(source, captions[source.name]) for source in sample_sources()]
    _honesty("sample images", encoder, own, say)
    if folder:
        read = read_split(folder, "dev")
        first = {int(column): row for row, column in reversed([*enumerate(read.truth)])}
        chosen = [(source_of(read.images[c]), read.captions[first[c]]) for c in range(100)]
        _honesty("Flickr8k dev", encoder, chosen, say)


def _speed(model_id: str, place: Located, rounds: int, say: Say) -> None:
    encoder, plain = load(place), Plain(place)
    image = decode_for(encoder, sample_sources()[5])[1]
    text = encoder.texts(["a cat"])[0]
    times: dict[str, list[float]] = {"map": [], "honesty check": [], "plain torch f32": []}
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


def _honesty(name: str, encoder: Encoder, items: Sequence[tuple[Source, str]], say: Say) -> None:
    found = []
    for source, caption in items:
        image = decode_for(encoder, source)[1]
        occlusion, text = explain.occlude(encoder, image), encoder.texts([caption])[0]
        found.append(explain.curves(encoder, occlusion, explain.saliency(occlusion, text), text))
    say(f"\n{name}, {len(found)} images with their own captions: mean height of the cosine")
    say(f"{'':<12}{'by the map':>12}{'by chance':>12}{'better on':>12}")
    for what, sign in (("deletion", -1), ("insertion", 1)):
        own = np.array([explain.area(getattr(each, what)) for each in found])
        chance = np.array([explain.area(getattr(each, f"random_{what}")) for each in found])
        better = (sign * own > sign * chance).mean()
        say(f"{what:<12}{own.mean():>12.3f}{chance.mean():>12.3f}{better:>12.0%}")
    tenth = np.mean([each.deletion[:1] - each.deletion[1:2] for each in found])
    by_chance = np.mean([each.random_deletion[:1] - each.random_deletion[1:2] for each in found])
    say(f"{'first tenth':<12}{tenth:>12.3f}{by_chance:>12.3f}   (what hiding it takes)")
