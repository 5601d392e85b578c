"""tenantplan credentials."""
