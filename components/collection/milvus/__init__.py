"""A collection on a Milvus server: an index derived from its shards, and search through it.

Nothing but this room imports pymilvus, and none of its modules does before it is used.
"""
