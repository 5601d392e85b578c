"""Migration trees as they are on disk."""
