"""tenantplan doctor --isolation."""
