"""Where a collection's images come from: samples, a folder, a table, Unsplash, a server."""
