"""A collection on a plane: every image a point, near ones near; clusters, outliers, twins."""
