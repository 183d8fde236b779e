"""Models: the curated checkpoints, what each is good at, and their downloads."""

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.models import CATALOGUE
from components.ui.models import cards, downloads
from components.ui.setup import setup
from components.ui.text import plain
from components.words import EMPTY

setup()
st.title("Models")
st.markdown("A model turns images and captions into vectors. Downloads start only on your click.")
downloads.show()
table = cards.table(CATALOGUE)
right = st.column_config.TextColumn(alignment="right")
st.dataframe(
    table,
    hide_index=True,
    column_config={name: right for name in table.columns if " to " in name},
)
st.caption(
    "Published recall@1 in per cent, on the 1,000 images of Flickr30k's test set and the 5,000 of"
    " COCO's with five captions each: the share of captions that rank their own image first, and of"
    f" images that rank one of their own captions first. {EMPTY}: no published result."
)
try:
    cards.describe(models.resolve(cards.choose()))
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/help:")
