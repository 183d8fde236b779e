"""Tests of engines beyond one machine. They run in a network namespace: see `namespace`."""
