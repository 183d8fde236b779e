"""Films: their frames, sampled in a process of its own; moments; single frames and clips."""
