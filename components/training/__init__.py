"""Training: datasets, matchers, losses, the loop, retrieval evaluation."""
