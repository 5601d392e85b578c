"""New revisions, and the scratch database they are made in."""
