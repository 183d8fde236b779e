"""The drawing pieces of the Search page."""
