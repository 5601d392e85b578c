"""Writes. The only package that changes a database, always on behalf of an operation of a plan."""
