"""One module per kind of thing that an apply makes."""
