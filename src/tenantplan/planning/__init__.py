"""Pure decisions: what differs, which operations bring it about, in which order, and what must not happen."""
