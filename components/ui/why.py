"""Why a caption matches a picture: where, which words, rather than another, and what breaks it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from components import explain, models, probe
from components.encoder import Encoder
from components.errors import CaptionLensError
from components.explain import Curves, Look
from components.images import thumbnail
from components.match import Scores
from components.matrix import Cell
from components.pipeline import Encoded, decode_for
from components.scores import Matrix, percentile, unit, zscore
from components.ui.charts import contributions
from components.ui.reading import reading
from components.ui.text import count, plain, shorten
from components.ui.vectors import bank

Kept = TypeVar("Kept")
_WAYS = ["Where", "Which words", "A rather than B", "Change the caption", "Change the picture"]


@dataclass(frozen=True)
class _Subject:
    """What is to be explained: a picture and a caption, with what is known of them."""

    encoder: Encoder
    item: Encoded
    caption: str
    text: Matrix  # (width,)
    others: Sequence[str]
    bank: Matrix

    @property
    def limit(self) -> float:
        """The change of the cosine in full colour."""
        return explain.full_colour(self.bank, self.item.vector)


def show(
    encoder: Encoder, scores: Scores, texts: Matrix, pictures: Sequence[Encoded], cell: Cell
) -> None:
    """Draw the why panel of a cell; ``texts`` (captions, width)."""
    row, column = cell
    caption = scores.captions[row]
    subject = _Subject(
        encoder,
        pictures[column],
        caption,
        texts[row],
        [other for other in scores.captions if other != caption],
        bank(encoder.key, encoder),
    )
    way = st.segmented_control(
        "Why", _WAYS, default="Where", required=True, key="matrix_why", bind="query-params"
    )
    draw = {
        "Where": _where,
        "Which words": _words,
        "A rather than B": _versus,
        "Change the caption": _captions,
        "Change the picture": _pictures,
    }[str(way)]
    try:
        draw(subject)
    except CaptionLensError as error:
        st.warning(plain(str(error)), icon=":material/broken_image:")


def _looked(encoder: Encoder, item: Encoded) -> Look:
    """Return a picture looked at in parts, once for a session's last sixteen pictures."""
    kept: dict[object, Look] = st.session_state.setdefault("looks", {})
    key = (encoder.key, item.photo.digest)
    found = kept.pop(key, None) or explain.look(encoder, decode_for(encoder, item.photo.source)[1])
    return _remember(kept, key, found, 16)  # 0.3 MB each


def _where(subject: _Subject) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        opacity = _opacity()
        method = _method(subject)
    with st.spinner("Hiding parts of the picture", show_time=True):
        seen = _looked(subject.encoder, subject.item)
        gibberish = explain.gibberish(subject.caption)
        nothing = subject.encoder.texts([gibberish])[0]
    if method == "Attention":
        own, other = _attention(subject, seen, nothing)
        limit = float(max(own.max(), other.max(), 1e-9))
    else:
        own, other = explain.saliency(seen, subject.text), explain.saliency(seen, nothing)
        limit = subject.limit
    left, middle, right = st.columns(3, gap="medium")
    name = subject.item.photo.name
    with left:
        _overlay(seen, own, limit, opacity, f"Where {name} matches: {subject.caption}")
        st.caption(f"**{plain(subject.caption)}**")
    with middle:
        _overlay(seen, other, limit, opacity, f"The same map for letters that mean nothing: {name}")
        st.caption(f"For comparison, gibberish: **{plain(gibberish)}**")
    with right:
        _honesty(subject, seen, own)
    st.caption(_key(method, limit))


def _key(method: str, limit: float) -> str:
    outline = "The line runs round the most salient tenth. The square is what the model sees."
    if method == "Attention":
        return (
            "Gradient-weighted attention (Chefer et al., 2021): the fuller the orange, the more"
            f" the patch led to this score; both maps share one scale. {outline}"
        )
    return (
        f"Orange: hiding it lowers the cosine; purple: hiding it raises it. Full colour at"
        f" {limit:.3f}, half a standard deviation of this picture's chance scores, for every"
        f" caption. {outline}"
    )


def _opacity() -> float:
    return float(
        st.slider(
            "Opacity of the map",
            0.0,
            1.0,
            0.7,
            0.05,
            key="matrix_opacity",
            bind="query-params",
            width=220,
        )
    )


def _method(subject: _Subject) -> str:
    located = models.locate(subject.encoder.spec)
    if not models.has_transformer(located) or subject.encoder.recipe.pixels is None:
        return "Occlusion"
    return str(
        st.segmented_control(
            "Method",
            ["Occlusion", "Attention"],
            default="Occlusion",
            required=True,
            key="matrix_method",
            bind="query-params",
            help="Attention loads the image tower a second time, in PyTorch",
        )
    )


@st.cache_resource(max_entries=1, show_spinner="Loading the image tower in PyTorch")
def _tower(model_id: str, revision: str) -> object:
    from components.attention import AttentionTower

    return AttentionTower(models.locate(models.resolve(model_id)))


def _attention(subject: _Subject, seen: Look, nothing: Matrix) -> tuple[Matrix, Matrix]:
    from components.attention import AttentionTower

    tower = _tower(subject.encoder.spec.id, subject.encoder.revision)
    assert isinstance(tower, AttentionTower)  # noqa: S101 - imported late, so not in the signature
    own, other = (tower.relevance(seen.view, text) for text in (subject.text, nothing))
    return explain.on_grid(own), explain.on_grid(other)


def _overlay(seen: Look, salient: Matrix, limit: float, opacity: float, alt_text: str) -> None:
    drawn = explain.overlay(seen.view, salient, limit, opacity)
    st.image(drawn, width="stretch", alt=alt_text)


def _honesty(subject: _Subject, seen: Look, salient: Matrix) -> None:
    checked = _checked(subject, seen, salient, subject.text)
    st.altair_chart(_curves("hidden", checked.deletion, checked.random_deletion), width="stretch")
    st.altair_chart(_curves("shown", checked.insertion, checked.random_insertion), width="stretch")
    st.caption(f"Honesty check: {explain.verdict(checked)}")


def _checked(subject: _Subject, seen: Look, salient: Matrix, text: Matrix) -> Curves:
    """Return the curves of a map, once for a session's last 64 maps."""
    kept: dict[object, Curves] = st.session_state.setdefault("curves", {})
    key = (subject.encoder.key, subject.item.photo.digest, salient.tobytes(), text.tobytes())
    found = kept.pop(key, None)
    if found is None:
        with st.spinner("Checking the map", show_time=True):
            found = explain.curves(subject.encoder, seen, salient, text)
    return _remember(kept, key, found, 64)


def _remember(kept: dict[object, Kept], key: object, value: Kept, most: int) -> Kept:
    """Keep ``value`` as the newest of at most ``most``."""
    kept[key] = value
    while len(kept) > most:
        del kept[next(iter(kept))]
    return value


def _curves(what: str, by_map: Matrix, by_chance: Matrix) -> alt.Chart:
    """Return the chart of two curves (11,), told apart by dashes as well as by colour."""
    orders = ["by the map", "by chance"]
    frame = pd.DataFrame(
        {
            "order": np.repeat(orders, 11),
            "share": np.tile(np.arange(11) / 10, 2),
            "cosine": np.concatenate([by_map, by_chance]),
        }
    )
    line = alt.Legend(title=None, orient="top", symbolType="stroke")
    colours = alt.Scale(domain=orders, range=["#d97706", "#64748b"])
    dashes = alt.Scale(domain=orders, range=[[1, 0], [5, 4]])
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=alt.X("share:Q", title=f"share {what}", axis=alt.Axis(format=".0%", tickCount=5)),
            y=alt.Y("cosine:Q", axis=alt.Axis(tickCount=4)),
            color=alt.Color("order:N", scale=colours, legend=line),
            strokeDash=alt.StrokeDash("order:N", scale=dashes, legend=line),
            tooltip=[
                "order:N",
                alt.Tooltip("share:Q", format=".0%"),
                alt.Tooltip("cosine:Q", format=".3f"),
            ],
        )
        .properties(
            height=200, description=f"The cosine as the picture is {what} by tenths, {orders}"
        )
    )
    return chart


def _words(subject: _Subject) -> None:
    found = explain.words(subject.encoder, subject.caption, subject.item.vector)
    if not found:
        st.info("A caption of one word has none to leave out.", icon=":material/short_text:")
        return
    st.markdown(f"**{plain(subject.caption)}**")
    labels, changes = [word.text for word in found], [word.change for word in found]
    told = ", ".join(f"{word.text} {word.change:+.3f}" for word in found)
    st.image(contributions(labels, changes, full=0.2, decimals=3), width=320, alt=told)
    st.caption(
        "What the cosine loses without each word: to the right, the word helps the match; to the"
        " left, the caption fits better without it. A full bar is a cosine of 0.2. Words are told"
        " apart by spaces."
    )


def _versus(subject: _Subject) -> None:
    other = st.selectbox(
        "B: another caption",
        subject.others or [explain.gibberish(subject.caption)],
        key="matrix_other_caption",
        bind="query-params",
        accept_new_options=True,
        help="One of the captions here, or type your own",
    )
    if not other:
        return
    with st.spinner("Hiding parts of the picture", show_time=True):
        seen = _looked(subject.encoder, subject.item)
        rival = subject.encoder.texts([other])[0]
    own, its = explain.saliency(seen, subject.text), explain.saliency(seen, rival)
    opacity = _opacity()
    both = {"A": (own, subject.caption, subject.text), "B": (its, other, rival)}
    columns = st.columns(3, gap="medium")
    for column, (letter, (salient, caption, text)) in zip(columns, both.items(), strict=False):
        with column:
            _overlay(seen, salient, subject.limit, opacity, f"{letter}: {caption}")
            checked = explain.verdict(_checked(subject, seen, salient, text))
            st.caption(f"**{letter}** {plain(caption)}  \nHonesty check: {checked}")
    with columns[2]:
        told = "A less B: where A has more support than B"
        _overlay(seen, own - its, subject.limit, opacity, told)
        st.caption("**A less B**")
    first, second = float(seen.vector @ subject.text), float(seen.vector @ rival)
    st.caption(
        f"A has a cosine of {first:.3f}, B of {second:.3f}, a difference of {first - second:+.3f}."
        " In the third map orange speaks for A and purple for B, in the same scale."
    )


def _captions(subject: _Subject) -> None:
    variants = probe.caption_variants(subject.caption)
    texts = subject.encoder.texts([subject.caption, *(each.caption for each in variants)])
    rows = _readings(subject, texts, subject.item.vector[None])
    own = rows[0][0]
    st.table(
        [
            _row("as it is", subject.caption, rows[0], own, ""),
            *(
                _row(each.name, each.caption, row, own, "stay" if each.same else "fall")
                for each, row in zip(variants, rows[1:], strict=True)
            ),
        ],
        border="horizontal",
    )
    changed = [row[0] for each, row in zip(variants, rows[1:], strict=True) if not each.same]
    blind = sum(cosine >= own for cosine in changed)
    st.caption(
        f"Of {count(len(changed), 'caption')} that say something else of the picture, {blind} score"
        " as high as the original or higher: there the model does not read what was changed. The"
        " variants come from plain rules for English, and may be clumsy."
    )


def _row(
    name: str, shown: str, row: tuple[float, float, float], own: float, should: str
) -> dict[str, str]:
    cosine, share, distance = row
    return {
        "Change": name,
        "Caption": plain(shorten(shown, 120)),
        "Cosine": f"{cosine:.3f}",
        "Moves by": f"{cosine - own:+.3f}" if should else "",
        "It should": should,
        "Reads as": reading(share, distance),
    }


def _readings(
    subject: _Subject, texts: Matrix, vectors: Matrix
) -> list[tuple[float, float, float]]:
    """Return (cosine, percentile, z) of one caption with many pictures, or many with one."""
    cosines = texts @ vectors.T
    chance = subject.bank @ vectors.T
    shares, distances = percentile(cosines, chance), zscore(cosines, chance)
    together = zip(cosines.ravel(), shares.ravel(), distances.ravel(), strict=True)
    return [(float(c), float(s), float(d)) for c, s, d in together]


def _pictures(subject: _Subject) -> None:
    with st.spinner("Changing the picture", show_time=True):
        picture = decode_for(subject.encoder, subject.item.photo.source)[1]
        variants = probe.picture_variants(picture)
        views = subject.encoder.images(probe.views(picture))
        averaged = unit(views.mean(axis=0, keepdims=True))
        vectors = subject.encoder.images([picture, *(each.picture for each in variants)])
    rows = _readings(subject, subject.text[None], np.concatenate([vectors, averaged]))
    own = rows[0][0]
    names = ["as it is", *(each.name for each in variants)]
    shown = [picture, *(each.picture for each in variants)]
    with st.grid("auto", min_column_width=150, gap="small", vertical_alignment="bottom"):
        for name, each, row in zip(names, shown, rows[:-1], strict=True):
            with st.container(gap="xsmall"):
                st.image(thumbnail(each, 240), width="stretch", alt=f"The picture, {name}")
                moved = "" if name == "as it is" else f" ({row[0] - own:+.3f})"
                st.caption(f"**{name}**  \n{row[0]:.3f}{moved}  \n{reading(*row[1:])}")
    st.caption(
        "A person would caption them all the same, so a score that falls far shows what this model"
        " leans on."
    )
    cosine, share, distance = rows[-1]
    st.markdown(
        f"**Averaged views**: {cosine:.3f} ({cosine - own:+.3f}), {reading(share, distance)}"
    )
    st.caption(
        "The mean of eight views: as it is, mirrored, five crops, and with stretched contrast. It"
        " takes eight times as long. On Flickr8k's dev split it raises Pocket's R@1 from 23.5% to"
        " 24.9% (caption to image) and from 30.6% to 31.7% (image to caption); `cli.py bench views`"
        " measures it, for other models too."
    )
