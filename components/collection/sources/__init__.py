"""Where a collection's pictures come from: samples, a folder, a table, Unsplash, a server."""
