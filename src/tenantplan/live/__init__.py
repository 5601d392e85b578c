"""Reads only: the live State, from the shared catalogs of the servers, the main database, and tenant databases."""
