"""Lint of migrations."""
