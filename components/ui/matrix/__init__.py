"""The drawing pieces of the Matrix page."""
