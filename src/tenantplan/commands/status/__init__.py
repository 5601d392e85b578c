"""tenantplan status, and the view of a fleet that commands share."""
