"""The drawing pieces of the Train page."""
