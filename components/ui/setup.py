"""What every page starts with, however it was reached."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from components.settings import ROOT


@dataclass(frozen=True)
class PageEntry:
    """A line of the navigation; ``path`` is its address, the first page's being "/"."""

    file: str
    title: str
    icon: str
    path: str
    first: bool = False


# A file of ours: a Material icon or an emoji would be fetched from a server elsewhere.
ICON = Path(__file__).with_name("icon.svg")

MATCH = PageEntry("pages/match.py", "Match", ":material/image_search:", "match", first=True)
MODELS = PageEntry("pages/models.py", "Models", ":material/deployed_code:", "models")
SEARCH = PageEntry("pages/search.py", "Search", ":material/search:", "search")
MATRIX = PageEntry("pages/matrix.py", "Matrix", ":material/grid_on:", "matrix")
TRAIN = PageEntry("pages/train.py", "Train", ":material/model_training:", "train")
PAGES = (MATCH, SEARCH, MATRIX, TRAIN, MODELS)


def page(entry: PageEntry) -> StreamlitPage:
    """Return a page as `st.navigation` and `st.page_link` take it."""
    return st.Page(
        ROOT / entry.file,
        title=entry.title,
        icon=entry.icon,
        url_path=entry.path,
        default=entry.first,
    )


def setup() -> None:
    """Set title, icon and layout; may be called again by a page that runs alone."""
    st.set_page_config(
        page_title="CaptionLens",
        page_icon=ICON.read_text(encoding="utf-8"),
        layout="wide",
        initial_sidebar_state="collapsed",
    )
