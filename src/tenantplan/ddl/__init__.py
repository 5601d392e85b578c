"""The text of CREATE, ALTER and DROP: plan previews it, apply runs it."""
