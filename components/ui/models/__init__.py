"""The drawing pieces of the Models page."""
