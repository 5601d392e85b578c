"""tenantplan selftest."""
