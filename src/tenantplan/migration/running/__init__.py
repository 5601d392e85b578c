"""Compiled migrations at work in a database."""
