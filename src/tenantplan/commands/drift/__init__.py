"""tenantplan drift."""
