"""Finds the wrong captions, duplicates and leaks of a captioned dataset."""
