"""Runs compiled migrations."""
