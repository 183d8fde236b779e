"""A set of images on disk: where they come from, their vectors, and search among them."""
