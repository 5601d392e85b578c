"""The two sides of a comparison, whole: what the fleet file, manifest and migrations ask for, and what every server holds."""
