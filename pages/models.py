"""Models: the curated checkpoints, what each is good at, and their downloads."""

import streamlit as st

from components import models
from components.errors import CaptionLensError
from components.models import CATALOGUE
from components.ui.models import cards, downloads, usage
from components.ui.present import heading
from components.ui.setup import setup
from components.ui.text import plain

setup()
heading(
    "Models", "A model turns images and captions into vectors. Downloads start only on your click."
)
downloads.show()
cards.show_table(CATALOGUE)
try:
    cards.describe(models.resolve(cards.choose()))
except CaptionLensError as error:
    st.warning(plain(str(error)), icon=":material/help:")
usage.show()
