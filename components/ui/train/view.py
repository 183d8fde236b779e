"""Training runs on the page: their estimated cost, their start, their progress and their end."""

from dataclasses import replace

import streamlit as st

from components.models import ModelSpec
from components.training.run import Cost
from components.ui import tasks
from components.ui.tasks import Task
from components.ui.text import plain
from components.ui.train import results
from components.ui.train.curves import Points, curves
from components.ui.train.runs import Progress, Run, all_runs, busy, discard, estimate, start
from components.words import count, duration, megabytes

_PREPARING = 260  # pixels: what the curves will take


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
        st.skeleton(height=_PREPARING)
    else:
        state = f"step {last.number:,} of {last.total:,}, loss {last.loss:.3f}"
        left = duration(last.seconds_left)
        st.progress(last.number / last.total, f"Training {plain(name)}: {state}, {left} left")
        curves(*_points(progress))
    tasks.stop_button(name, task)


def _points(progress: Progress) -> tuple[Points, Points]:
    losses = [(each.number, each.loss) for each in progress.steps]
    return losses, [(each.number, each.figure) for each in progress.devs]


def _ended(name: str, task: Task) -> None:
    run: Run = task.subject
    progress: Progress = task.progress or Progress()
    spec: ModelSpec | None = task.result
    if task.message:
        st.warning(f"{plain(name)}: {plain(task.message)}", icon=":material/error:")
    elif spec is None:
        st.info(f"{plain(name)} is stopped; its progress is kept.", icon=":material/pause:")
    else:
        results.show(name, spec, progress)
    if progress.steps:
        curves(*_points(progress))
    if progress.comparison:
        results.show_changes(name, run, progress.comparison)
    with st.container(horizontal=True):
        if spec is None and not busy():
            if st.button("Resume", icon=":material/play_arrow:", key=f"resume {name}"):
                start(run)
                st.rerun()  # the whole page, so that the runs are drawn at intervals again
            if st.button("Discard", icon=":material/delete:", key=f"discard {name}"):
                discard(name, run)
        tasks.close_button(all_runs(), name)


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
