"""One apply, from lock to report."""
