"""Training: jobs, learners, losses, the loop, and its process."""
