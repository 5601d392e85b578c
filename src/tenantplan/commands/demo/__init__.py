"""tenantplan seed."""
