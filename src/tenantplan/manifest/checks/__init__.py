"""Checks that reject a manifest."""
