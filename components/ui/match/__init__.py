"""The drawing pieces of the Match page."""
