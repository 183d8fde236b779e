"""Ours and the alternative, measured in one run."""
