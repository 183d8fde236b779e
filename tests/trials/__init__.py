"""Long trials that `make trials` runs; tests/unit has a short version of each."""
