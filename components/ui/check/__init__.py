"""The drawing pieces of the Check page."""
