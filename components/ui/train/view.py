"""Training runs on the page: their estimated cost, their progress, their results."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from components.models import ModelSpec
from components.training.run import Comparison, Cost, Figures
from components.ui import tasks
from components.ui.setup import MATCH, page
from components.ui.tasks import Task
from components.ui.text import plain
from components.ui.train.runs import Progress, Run, all_runs, busy, discard, estimate, start
from components.words import count, duration, megabytes, shorten

_SHOWN_CHANGES = 8  # images whose rank changed most
_CHART = 220  # pixels
_MAX_POINTS, _MAX_DOTS = 500, 30  # of a curve, roughly; of a curve whose points are marked


def explain_cost(cost: Cost) -> str:
    """Return a cost in a sentence."""
    return (
        f"About **{duration(max(1, cost.seconds))}** for {count(cost.steps, 'step')}, as measured"
        f" on this computer, and {megabytes(cost.disk_bytes)} of disk space during the run."
    )


def show() -> None:
    """Draw every run of this server."""
    tasks.show(all_runs(), _running, _ended)


def _running(name: str, task: Task) -> None:
    progress: Progress | None = task.progress
    last = progress.steps[-1] if progress and progress.steps else None
    if last is None or progress is None:
        st.progress(0.0, f"Training {plain(name)}: preparing")
    else:
        state = f"step {last.number:,} of {last.total:,}, loss {last.loss:.3f}"
        left = duration(last.seconds_left)
        st.progress(last.number / last.total, f"Training {plain(name)}: {state}, {left} left")
        _curves(progress)
    tasks.stop_button(name, task)


def _curves(progress: Progress) -> None:
    """Draw loss by step, and the dev figure by epoch."""
    left, right = st.columns(2)
    with left:
        st.caption("**Loss** of each step's batch: lower is better.")
        thin = max(1, len(progress.steps) // _MAX_POINTS)
        _curve("loss", [(e.number, e.loss) for e in progress.steps[::thin]])
    with right:
        if not progress.devs:
            st.caption("The **dev figure** is measured after each epoch, on held-out images.")
            return
        st.caption(
            "**Dev figure** on held-out images: the mean of R@1, R@5 and R@10 in both directions,"
            " in per cent; for a pair matcher, accuracy."
        )
        _curve("dev", [(e.number, e.figure) for e in progress.devs])


def _curve(name: str, points: Sequence[tuple[int, float]]) -> None:
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
        .properties(height=_CHART, description=f"{name} by step; last value {points[-1][1]:.4g}")
    )
    st.altair_chart(chart)


def _ended(name: str, task: Task) -> None:
    run: Run = task.subject
    progress: Progress = task.progress or Progress()
    spec: ModelSpec | None = task.result
    if task.message:
        st.warning(f"{plain(name)}: {plain(task.message)}", icon=":material/error:")
    elif spec is None:
        st.info(f"{plain(name)} is stopped; its progress is kept.", icon=":material/pause:")
    else:
        _show_result(name, spec, progress)
    if progress.steps:
        _curves(progress)
    if progress.comparison:
        _show_changes(run, progress.comparison)
    with st.container(horizontal=True):
        if spec is None and not busy():
            if st.button("Resume", icon=":material/play_arrow:", key=f"resume {name}"):
                start(run)
                st.rerun()  # the whole page, so that the runs are drawn at intervals again
            if st.button("Discard", icon=":material/delete:", key=f"discard {name}"):
                discard(name, run)
        tasks.close_button(all_runs(), name)


def _show_result(name: str, spec: ModelSpec, progress: Progress) -> None:
    best = f" Its best dev figure is {progress.ended.best:.4g}." if progress.ended else ""
    st.success(f"{plain(name)} is trained.{best}", icon=":material/check:")
    for sentence in progress.messages:
        st.caption(plain(sentence))
    st.page_link(
        page(MATCH),
        label=f"Match with {plain(name)}",
        icon=":material/image_search:",
        query_params={"model": spec.id},
    )
    if progress.comparison:
        _show_recalls(progress.comparison)


def _show_recalls(comparison: Comparison) -> None:
    import pandas as pd

    def row(direction: str, before: Sequence[float], after: Sequence[float]) -> dict[str, str]:
        cells = {
            f"R@{k}": f"{100 * old:.1f} → {100 * new:.1f}"
            for k, old, new in zip((1, 5, 10), before, after, strict=True)
        }
        return {"Dev, before → after": direction, **cells}

    old, new = comparison.before, comparison.after
    rows = [
        row("caption to image", old.caption_to_image, new.caption_to_image),
        row("image to caption", old.image_to_caption, new.image_to_caption),
    ]
    st.table(pd.DataFrame(rows).set_index("Dev, before → after"))
    st.caption(
        f"On {count(len(old.ranks), 'held-out image')}: the percentage of captions whose own image"
        " is among the first 1, 5 and 10, and of images with one of their captions there."
    )


def _show_changes(run: Run, comparison: Comparison) -> None:
    """Draw the images whose rank changed most, in the session that they come from."""
    if st.session_state.get("train_key") != run.images[1].key:
        return  # other sessions do not see these images
    import io

    from PIL import Image

    before, after = comparison.before.ranks, comparison.after.ranks
    changed = rank_changes(comparison.before, comparison.after)
    if not changed:
        st.caption("No held-out image changed its rank.")
        return
    st.subheader("Largest changes in rank")
    st.caption(
        "An image's rank is its position among the held-out images, as the median over its"
        " captions."
    )
    with st.grid("auto", min_column_width=150, gap="small"):
        for row in changed[:_SHOWN_CHANGES]:
            example = run.images[1].examples[row]
            file = io.BytesIO()
            Image.fromarray(run.images[1].pixels[row]).save(file, "JPEG")
            with st.container(gap="xsmall"):
                st.image(file.getvalue(), width="stretch", alt=shorten(example.captions[0], 120))
                verdict = "better" if after[row] < before[row] else "worse"
                name = plain(shorten(example.image.name, 24))
                st.caption(f"{name}: rank {before[row]:g} → {after[row]:g}, {verdict}")


def rank_changes(before: Figures, after: Figures) -> list[int]:
    """Return the rows of images whose rank changed, the largest change first."""
    changes = [abs(old - new) for old, new in zip(before.ranks, after.ranks, strict=True)]
    order = sorted(range(len(changes)), key=changes.__getitem__, reverse=True)
    return [row for row in order if changes[row]]


def ready_to_start(run: Run) -> bool:
    """Draw the estimate and the start button; return whether it was clicked."""
    costs: dict[str, Cost] = st.session_state.setdefault("train_costs", {})
    key = repr((run.job, run.images[0].key))
    if key not in costs:
        if st.button("Estimate time and disk space", icon=":material/timer:", key="train_estimate"):
            with st.spinner("Measuring three steps", show_time=True):
                costs[key] = estimate(replace(run, name=f".probe-{run.name}"))
            st.rerun()
        return False
    st.markdown(explain_cost(costs[key]))
    other = busy()
    if other:
        st.info(
            f"{plain(other)} is being trained; only one run at a time.", icon=":material/hourglass:"
        )
    return st.button(
        "Start training",
        type="primary",
        icon=":material/model_training:",
        disabled=bool(other),
        key="train_start",
    )
