"""Journal and audit: one writer, one reader."""
