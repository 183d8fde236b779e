"""Retrieval measures of the matrix, and its numbers as a table."""

from collections.abc import Mapping, Sequence

import streamlit as st

from components.scores import KS, Heatmap, Retrieval, Scores, both_ways, known_pairs
from components.ui.text import plain
from components.words import count


def show(named: Mapping[str, Scores], pairs: Sequence[tuple[str, str]]) -> None:
    """Draw recall, median rank and MRR in both directions for the scores of each model, by name.

    If it is not known which captions belong to which images, draw a sentence that says so.
    """
    rows = []
    for name, scores in named.items():
        before = f"{plain(name)}: " if len(named) > 1 else ""
        for way, found in both_ways(scores.cosine, known_pairs(scores, pairs)).items():
            rows.append(_figures(f"{before}{way}", found))
    if not rows:
        st.caption(
            "Recall is shown if it is known which captions belong to which images: from a CSV of"
            " pairs, or for the sample images with their own captions."
        )
        return
    scores = next(iter(named.values()))
    images, captions = count(len(scores.images), "image"), count(len(scores.captions), "caption")
    st.markdown(f"**Retrieval** by cosine in this gallery of {images} and {captions}")
    st.table(rows, border="horizontal")
    st.caption(
        "R@k: the share of queries with a correct result among the first k of the gallery. MRR:"
        " the mean of 1 / rank of the first correct result. Smaller galleries give better values,"
        " so compare them only within one gallery."
    )


def _figures(name: str, found: Retrieval) -> dict[str, str]:
    recalls = {f"R@{k}": f"{share:.1%}" for k, share in zip(KS, found.recall, strict=True)}
    return {
        "Direction": name,
        **recalls,
        "Median rank": f"{found.median_rank:g}",
        "MRR": f"{found.mrr:.3f}",
        "Queries": f"{found.queries:,}",
        "Gallery": f"{found.gallery:,}",
    }


def as_table(heatmap: Heatmap) -> None:
    """Draw the matrix as a table, which can be sorted and read by screen readers."""
    import pandas as pd

    scale = heatmap.scale
    unit = f" in{scale.unit}".replace("in%", "in %") if scale.unit else ""
    frame = pd.DataFrame(
        heatmap.values * scale.factor, index=list(heatmap.captions), columns=list(heatmap.images)
    )
    frame.index.name = "caption"
    with st.expander(
        f"Table: {count(len(heatmap.captions), 'caption')},"
        f" {count(len(heatmap.images), 'image')}, {scale.title}{unit}",
        icon=":material/table:",
        on_change="rerun",
        key="matrix_table",
    ) as table:
        if table.open:
            decimals = max(scale.decimals + 1, 1)
            st.dataframe(frame.round(decimals))
