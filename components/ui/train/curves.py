"""The curves of a training run: loss by step, and the dev figure by epoch."""

from collections.abc import Sequence

import streamlit as st

_HEIGHT = 220  # pixels
_MAX_POINTS, _MAX_DOTS = 500, 30  # of a curve, roughly; of a curve whose points are marked

Points = Sequence[tuple[int, float]]  # (step, figure)


def curves(losses: Points, devs: Points) -> None:
    """Draw the loss of each step, and the dev figure after each epoch."""
    left, right = st.columns(2)
    with left:
        st.caption("**Loss** of each step's batch: lower is better.")
        thin = max(1, len(losses) // _MAX_POINTS)
        _curve("loss", losses[::thin])
    with right:
        if not devs:
            st.caption("The **dev figure** is measured after each epoch, on held-out images.")
            return
        st.caption(
            "**Dev figure** on held-out images: the mean of R@1, R@5 and R@10 in both directions,"
            " in per cent; for a pair matcher, accuracy."
        )
        _curve("dev", devs)


def _curve(name: str, points: Points) -> None:
    """Draw figures by step; the scale does not start at zero, so that small gains show."""
    import altair as alt
    import pandas as pd

    chart = (
        alt.Chart(pd.DataFrame(points, columns=["step", name]))
        .mark_line(point=len(points) <= _MAX_DOTS)
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False)),
            y=alt.Y(f"{name}:Q", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
            tooltip=["step:Q", alt.Tooltip(f"{name}:Q", format=".4g")],
        )
        .properties(height=_HEIGHT, description=f"{name} by step; last value {points[-1][1]:.4g}")
    )
    st.altair_chart(chart)
