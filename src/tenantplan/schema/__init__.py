"""Fingerprint and repair of a schema; they know nothing of tenantplan."""
