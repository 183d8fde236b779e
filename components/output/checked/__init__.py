"""Writes the list of a checked dataset again: how each format takes columns, and is cleaned."""
