"""All that refuses a manifest."""
