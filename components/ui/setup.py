"""The pages, and the set-up that each of them starts with."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from components.settings import ROOT
from components.version import version


@dataclass(frozen=True)
class PageEntry:
    """An entry of the navigation; ``path`` is its address, except for the first page, at "/"."""

    file: str
    title: str
    icon: str
    path: str
    first: bool = False


# Our own file: browsers would fetch a Material icon or an emoji from another server.
ICON = Path(__file__).with_name("icon.svg")
_LOGO = Path(__file__).with_name("logo.svg")
_STYLE = Path(__file__).with_name("style.css")

MATCH = PageEntry("pages/match.py", "Match", ":material/image_search:", "match", first=True)
MODELS = PageEntry("pages/models.py", "Models", ":material/deployed_code:", "models")
SEARCH = PageEntry("pages/search.py", "Search", ":material/search:", "search")
MATRIX = PageEntry("pages/matrix.py", "Matrix", ":material/grid_on:", "matrix")
CHECK = PageEntry("pages/check.py", "Check", ":material/fact_check:", "check")
TRAIN = PageEntry("pages/train.py", "Train", ":material/model_training:", "train")
PAGES = (MATCH, SEARCH, MATRIX, CHECK, TRAIN, MODELS)


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
    """Set title, icon, logo, style and the menu's About; a page that is run alone calls it too."""
    st.set_page_config(
        page_title="CaptionLens",
        page_icon=ICON.read_text(encoding="utf-8"),
        layout="wide",
        initial_sidebar_state="collapsed",
        menu_items={
            "About": f"**CaptionLens {version()}**: explore how well images and captions match."
        },
    )
    st.logo(_LOGO.read_text(encoding="utf-8"), size="large")
    st.html(_STYLE)
