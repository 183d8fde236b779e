"""Benchmarks: CaptionLens and the usual alternative, measured in one run."""
