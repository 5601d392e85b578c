"""tenantplan: a declarative GitOps reconciler for multi-tenant SaaS on PostgreSQL."""

__version__ = "0.1.0"
