"""Saliency maps: where in an image a caption matches, and where more than another caption."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from components import explain, models
from components.explain import Occlusion
from components.scores import Floats
from components.ui.matrix.subject import Subject, checked_curves, occlusion_of, waiting
from components.ui.text import plain
from components.ui.vega import data, spec_of


def where(subject: Subject) -> None:
    """Draw the caption's map beside that of gibberish, and the faithfulness check."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        opacity = _opacity()
        method = _method(subject)
    with waiting("Hiding parts of the image"):
        occlusion = occlusion_of(subject.encoder, subject.item)
        gibberish = explain.gibberish(subject.caption)
        gibberish_text = subject.encoder.texts([gibberish])[0]
    if method == "Attention":
        own, other = _attention(subject, occlusion, gibberish_text)
        limit = float(max(own.max(), other.max(), 1e-9))
    else:
        own, other = (explain.saliency(occlusion, text) for text in (subject.text, gibberish_text))
        limit = subject.limit
    left, middle, right = st.columns(3, gap="medium")
    name = subject.item.photo.name
    with left:
        _overlay(occlusion, own, limit, opacity, f"Where {name} matches: {subject.caption}")
        st.caption(f"**{plain(subject.caption)}**")
    with middle:
        _overlay(
            occlusion, other, limit, opacity, f"The same map for a meaningless caption: {name}"
        )
        st.caption(f"For comparison, gibberish: **{plain(gibberish)}**")
    with right:
        _faithfulness(subject, occlusion, own)
    st.caption(_legend(method, limit))


def _legend(method: str, limit: float) -> str:
    outline = "The line surrounds the most salient tenth. The square is what the model sees."
    if method == "Attention":
        return (
            "Gradient-weighted attention (Chefer et al., 2021): the stronger the orange, the more"
            f" the patch contributed to this score. Both maps have the same scale. {outline}"
        )
    return (
        f"Orange: hiding it lowers the cosine; purple: hiding it raises it. Full colour is a change"
        f" of {limit:.3f}, half a standard deviation of this image's chance scores, for every"
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


def _method(subject: Subject) -> str:
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
    from components.explain import attention

    return attention.AttentionTower(models.locate(models.resolve(model_id)))


def _attention(subject: Subject, occlusion: Occlusion, gibberish: Floats) -> tuple[Floats, Floats]:
    from components.explain import attention

    tower = _tower(subject.encoder.spec.id, subject.encoder.revision)
    assert isinstance(tower, attention.AttentionTower)  # noqa: S101 - imported late, so not in the signature
    own, other = (tower.relevance(occlusion.view, text) for text in (subject.text, gibberish))
    return explain.on_grid(own), explain.on_grid(other)


def _overlay(
    occlusion: Occlusion, salient: Floats, limit: float, opacity: float, alt_text: str
) -> None:
    drawn = explain.overlay(occlusion.view, salient, limit, opacity)
    st.image(drawn, width="stretch", alt=alt_text)


def _faithfulness(subject: Subject, occlusion: Occlusion, salient: Floats) -> None:
    checked = checked_curves(subject, occlusion, salient, subject.text)
    st.vega_lite_chart(_curves("hidden", checked.deletion, checked.random_deletion))
    st.vega_lite_chart(_curves("shown", checked.insertion, checked.random_insertion))
    st.caption(f"Faithfulness check: {explain.verdict(checked)}")


@st.cache_data(max_entries=256, show_spinner=False)
def _curves(what: str, by_map: Floats, at_random: Floats) -> dict[str, Any]:
    """Return the chart of two curves (11,), which differ in dashes as well as in colour."""
    orders = ["by the map", "random order"]
    frame = pd.DataFrame(
        {
            "order": np.repeat(orders, 11),
            "share": np.tile(np.arange(11) / 10, 2),
            "cosine": np.concatenate([by_map, at_random]),
        }
    )
    line = alt.Legend(title=None, orient="top", symbolType="stroke")
    colours = alt.Scale(domain=orders, range=["#d97706", "#64748b"])
    dashes = alt.Scale(domain=orders, range=[[1, 0], [5, 4]])
    chart = (
        alt.Chart(data(frame))
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
            height=200,
            description=f"The cosine as the image is {what} by tenths, {' and '.join(orders)}",
        )
    )
    return spec_of(chart)


def versus(subject: Subject) -> None:
    """Draw the maps of the caption and of another one, and their difference."""
    other = st.selectbox(
        "B: another caption",
        subject.others or [explain.gibberish(subject.caption)],
        key="matrix_other_caption",
        bind="query-params",
        accept_new_options=True,
        help="Choose one of the captions, or type another",
    )
    if not other:
        return
    with waiting("Hiding parts of the image"):
        occlusion = occlusion_of(subject.encoder, subject.item)
        rival = subject.encoder.texts([other])[0]
    own, others = explain.saliency(occlusion, subject.text), explain.saliency(occlusion, rival)
    opacity = _opacity()
    both = {"A": (own, subject.caption, subject.text), "B": (others, other, rival)}
    columns = st.columns(3, gap="medium")
    for column, (letter, (salient, caption, text)) in zip(columns, both.items(), strict=False):
        with column:
            _overlay(occlusion, salient, subject.limit, opacity, f"{letter}: {caption}")
            verdict = explain.verdict(checked_curves(subject, occlusion, salient, text))
            st.caption(f"**{letter}** {plain(caption)}  \nFaithfulness check: {verdict}")
    with columns[2]:
        alt_text = "A minus B: where A has more support than B"
        _overlay(occlusion, own - others, subject.limit, opacity, alt_text)
        st.caption("**A minus B**")
    first, second = float(occlusion.vector @ subject.text), float(occlusion.vector @ rival)
    st.caption(
        f"The cosine of A is {first:.3f}, of B {second:.3f}: a difference of {first - second:+.3f}."
        " In the third map, on the same scale, orange favours A and purple favours B."
    )
