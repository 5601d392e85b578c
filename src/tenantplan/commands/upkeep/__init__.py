"""tenantplan maintain, report and unlock."""
