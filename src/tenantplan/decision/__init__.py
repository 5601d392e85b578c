"""Both sides of a comparison in, a Plan out: what is decided, and the few questions that takes of the databases."""
