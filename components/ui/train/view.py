"""Training runs on the page: what one will cost, how it goes, what it gave."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from components.models import ModelSpec
from components.training.jobs import Compared, Cost, Figures
from components.ui import tasks as background
from components.ui.setup import MATCH, page
from components.ui.tasks import Task
from components.ui.text import plain
from components.ui.train.runs import Progress, Run, busy, discard, estimate, start, tasks
from components.words import count, shorten

_MOVED = 8  # images that are shown of those that moved most
_CHART = 220  # pixels
_POINTS, _MARKED = 500, 30  # of a curve at most, about; up to how many each is a dot as well


def explain_cost(cost: Cost) -> str:
    """Return a cost as a person reads it."""
    return (
        f"About **{_time(cost.seconds)}** for {count(cost.steps, 'step')}, measured just now on"
        f" this computer, and {cost.disk_bytes / 1e6:,.0f} MB of disk while it runs."
    )


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} hours"


def show() -> None:
    """Draw every run of this server."""
    background.show(tasks(), _running, _ended)


def _running(name: str, task: Task) -> None:
    progress: Progress | None = task.progress
    last = progress.steps[-1] if progress and progress.steps else None
    if last is None or progress is None:
        st.progress(0.0, f"Training {plain(name)}: preparing")
    else:
        told = f"step {last.number:,} of {last.total:,}, loss {last.loss:.3f}"
        left = _time(last.seconds_left)
        st.progress(last.number / last.total, f"Training {plain(name)}: {told}, {left} left")
        _curves(progress)
    background.stop_button(name, task)


def _curves(progress: Progress) -> None:
    """Draw loss by step, and dev by epoch."""
    left, right = st.columns(2)
    with left:
        st.caption("**Loss** of each step's batch: lower is better.")
        thin = max(1, len(progress.steps) // _POINTS)
        _curve("loss", [(e.number, e.loss) for e in progress.steps[::thin]])
    with right:
        if not progress.devs:
            st.caption("**Dev** is measured after each epoch, on images held out.")
            return
        st.caption(
            "**Dev**, on images held out: of a model with vectors the mean of R@1, R@5 and R@10"
            " both ways, in per cent; of a pair matcher, its accuracy."
        )
        _curve("dev", [(e.number, e.figure) for e in progress.devs])


def _curve(name: str, points: Sequence[tuple[int, float]]) -> None:
    """Draw figures by step; their scale does not begin at zero, or small gains would not show."""
    import altair as alt
    import pandas as pd

    chart = (
        alt.Chart(pd.DataFrame(points, columns=["step", name]))
        .mark_line(point=len(points) <= _MARKED)
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False)),
            y=alt.Y(f"{name}:Q", scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
            tooltip=["step:Q", alt.Tooltip(f"{name}:Q", format=".4g")],
        )
        .properties(height=_CHART, description=f"{name} by step, at last {points[-1][1]:.4g}")
    )
    st.altair_chart(chart)


def _ended(name: str, task: Task) -> None:
    run: Run = task.subject
    progress: Progress = task.progress or Progress()
    spec: ModelSpec | None = task.result
    if task.message:
        st.warning(f"{plain(name)}: {plain(task.message)}", icon=":material/error:")
    elif spec is None:
        st.info(f"{plain(name)} is stopped; what it has learned is kept.", icon=":material/pause:")
    else:
        _show_result(name, spec, progress)
    if progress.steps:
        _curves(progress)
    if progress.compared:
        _show_moved(run, progress.compared)
    with st.container(horizontal=True):
        if spec is None and not busy():
            if st.button("Go on", icon=":material/play_arrow:", key=f"resume {name}"):
                start(run)
                st.rerun()  # the whole page: what draws the tasks begins to look again
            if st.button("Discard", icon=":material/delete:", key=f"discard {name}"):
                discard(name, run)
        background.close_button(tasks(), name)


def _show_result(name: str, spec: ModelSpec, progress: Progress) -> None:
    best = f"; its best dev figure is {progress.ended.best:.4g}" if progress.ended else ""
    st.success(f"{plain(name)} is trained{best}.", icon=":material/check:")
    for sentence in progress.said:
        st.caption(plain(sentence))
    st.page_link(
        page(MATCH),
        label=f"Match with {plain(name)}",
        icon=":material/image_search:",
        query_params={"model": spec.id},
    )
    if progress.compared:
        _show_recalls(progress.compared)


def _show_recalls(found: Compared) -> None:
    import pandas as pd

    def row(way: str, before: Sequence[float], after: Sequence[float]) -> dict[str, str]:
        cells = {
            f"R@{k}": f"{100 * old:.1f} → {100 * new:.1f}"
            for k, old, new in zip((1, 5, 10), before, after, strict=True)
        }
        return {"Dev, before → after": way, **cells}

    st.table(
        pd.DataFrame(
            [
                row(
                    "caption to image", found.before.caption_to_image, found.after.caption_to_image
                ),
                row(
                    "image to caption", found.before.image_to_caption, found.after.image_to_caption
                ),
            ]
        ).set_index("Dev, before → after")
    )
    st.caption(
        f"Of {count(len(found.before.ranks), 'image')} held out, per cent of captions whose own"
        " image is among the first 1, 5 and 10, and of images for their captions."
    )


def _show_moved(run: Run, found: Compared) -> None:
    """Draw the images whose rank moved most, where this session gave them."""
    if st.session_state.get("train_key") != run.images[1].key:
        return  # another session's images are its own
    import io

    from PIL import Image

    moves = moved(found.before, found.after)
    if not moves:
        st.caption("No image held out changed its rank.")
        return
    st.subheader("Moved most")
    st.caption("An image's rank is the median over its captions of its place among those held out.")
    with st.grid("auto", min_column_width=150, gap="small"):
        for row in moves[:_MOVED]:
            example = run.images[1].examples[row]
            held = io.BytesIO()
            Image.fromarray(run.images[1].pixels[row]).save(held, "JPEG")
            with st.container(gap="xsmall"):
                st.image(held.getvalue(), width="stretch", alt=shorten(example.captions[0], 120))
                better = found.after.ranks[row] < found.before.ranks[row]
                sign = "better" if better else "worse"
                st.caption(
                    f"{plain(shorten(example.image.name, 24))}: rank {found.before.ranks[row]:g} →"
                    f" {found.after.ranks[row]:g}, {sign}"
                )


def moved(before: Figures, after: Figures) -> list[int]:
    """Return the rows whose rank changed, those that changed most first."""
    changes = [abs(old - new) for old, new in zip(before.ranks, after.ranks, strict=True)]
    order = sorted(range(len(changes)), key=changes.__getitem__, reverse=True)
    return [row for row in order if changes[row]]


def ready_to_start(run: Run) -> bool:
    """Draw cost and start; return whether the person asks to start."""
    costs: dict[str, Cost] = st.session_state.setdefault("train_costs", {})
    key = repr((run.job, run.images[0].key))
    if key not in costs:
        if st.button("What will it cost?", icon=":material/timer:", key="train_estimate"):
            with st.spinner("Running three steps", show_time=True):
                costs[key] = estimate(replace(run, name=f".probe-{run.name}"))
            st.rerun()
        return False
    st.markdown(explain_cost(costs[key]))
    other = busy()
    if other:
        st.info(f"{plain(other)} is being trained: one run at a time.", icon=":material/hourglass:")
    return st.button(
        "Start training",
        type="primary",
        icon=":material/model_training:",
        disabled=bool(other),
        key="train_start",
    )
