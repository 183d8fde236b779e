"""The result of a training run: its figures before and after, and the images whose rank changed."""

import io
from collections.abc import Sequence

import streamlit as st
from PIL import Image

from components.models import ModelSpec
from components.training.run import Comparison, Figures
from components.ui.grid import Group, Line, Look, Picture, Tile, grid
from components.ui.setup import MATCH, page
from components.ui.text import plain
from components.ui.train.runs import Progress, Run
from components.words import count, shorten

_SHOWN_CHANGES = 12  # images whose rank changed most


def show(name: str, spec: ModelSpec, progress: Progress) -> None:
    """Draw that a run has ended with a model, its figures, and the way to use it."""
    best = f" Its best dev figure is {progress.ended.best:.4g}." if progress.ended else ""
    st.success(f"{plain(name)} is trained.{best}", icon=":material/check:")
    for sentence in progress.messages:
        st.caption(plain(sentence))
    link_to_match(name, spec.id)
    if progress.comparison:
        show_recalls(progress.comparison)


def link_to_match(name: str, model_id: str) -> None:
    """Draw the link that ranks with a trained model."""
    st.page_link(
        page(MATCH),
        label=f"Match with {plain(name)}",
        icon=":material/image_search:",
        query_params={"model": model_id},
    )


def show_recalls(comparison: Comparison) -> None:
    """Draw recall on the held-out images before and after training."""
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


def show_changes(name: str, run: Run, comparison: Comparison) -> None:
    """Draw the images whose rank changed most, in the session that they come from."""
    if st.session_state.get("train_key") != run.images[1].key:
        return  # other sessions do not see these images
    changed = rank_changes(comparison.before, comparison.after)[:_SHOWN_CHANGES]
    if not changed:
        st.caption("No held-out image changed its rank.")
        return
    st.header("Largest changes in rank")
    st.caption(
        "An image's rank is its position among the held-out images, as the median over its"
        " captions."
    )
    tiles = [_changed(run, comparison, row) for row in changed]
    look = Look(names=True)
    grid(f"train_changes {name}", [Group("changes", tiles)], lambda *_: None, look=look)


def _changed(run: Run, comparison: Comparison, row: int) -> Tile:
    held_out = run.images[1]
    example = held_out.examples[row]
    file = io.BytesIO()
    image = Image.fromarray(held_out.pixels[row])
    image.save(file, "JPEG")
    before, after = comparison.before.ranks[row], comparison.after.ranks[row]
    verdict = "better" if after < before else "worse"
    caption = shorten(example.captions[0], 120)
    return Tile(
        str(row),
        Picture(file.getvalue(), *image.size, shorten(example.image.name, 40), caption),
        score=f"rank {before:g} → {after:g}",
        lines=(Line(caption, verdict),),
    )


def rank_changes(before: Figures, after: Figures) -> list[int]:
    """Return the rows of images whose rank changed, the largest change first."""
    changes = [abs(old - new) for old, new in zip(before.ranks, after.ranks, strict=True)]
    order = sorted(range(len(changes)), key=changes.__getitem__, reverse=True)
    return [row for row in order if changes[row]]
