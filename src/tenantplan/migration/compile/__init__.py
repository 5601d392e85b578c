"""Compiles revisions to SQL."""
