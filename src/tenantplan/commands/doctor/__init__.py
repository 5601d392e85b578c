"""tenantplan doctor."""
