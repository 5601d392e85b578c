"""How tenantplan talks to PostgreSQL: connection strings, connections, the lock, the embedded server, named queries."""
