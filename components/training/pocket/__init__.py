"""How Pocket, the model that ships with the app, was trained: from its data to its checkpoint."""
