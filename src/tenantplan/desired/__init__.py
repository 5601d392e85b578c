"""Desired state: what the files declare."""
