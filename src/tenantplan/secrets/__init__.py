"""Secrets are references; this package resolves, judges and hashes them, and nothing here prints one."""
