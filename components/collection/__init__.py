"""A set of pictures on disk: where they come from, their vectors, and search among them."""
