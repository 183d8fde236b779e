"""Recipes: how a checkpoint that ships with the app was made, from its first file to its last."""
