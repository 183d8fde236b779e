"""Models: which checkpoints there are, what they are good at, and how to get one."""

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.models import CATALOGUE
from components.ui.models import cards, downloads
from components.ui.setup import setup
from components.ui.text import plain

setup()
st.title("Models")
st.markdown("What turns images and captions into vectors. Nothing is downloaded without a click.")
downloads.show()
percent = st.column_config.NumberColumn(format="%.1f")
shown = cards.table(CATALOGUE)
st.dataframe(
    shown,
    hide_index=True,
    column_config={name: percent for name in shown.columns if " to " in name},
)
st.caption(
    "Recall@1 in per cent, as published: how often the first of the 1,000 images of Flickr30k's"
    " test set, or of the 5,000 of COCO's, is the right one, and the same for captions (five a"
    " image). None: nothing published on these galleries."
)
try:
    cards.describe(models.resolve(cards.choose()))
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/help:")
