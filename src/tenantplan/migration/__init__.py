"""Alembic trees: their graph, their SQL, and the fingerprint of the schema they make. Nothing here writes."""
