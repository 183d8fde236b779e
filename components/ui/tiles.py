"""The sizes of image tiles."""

TILE_WIDTHS = {"Small": 110, "Medium": 160, "Large": 280}  # minimum widths in pixels
