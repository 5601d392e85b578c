"""The left side of the comparison: what the files declare."""
