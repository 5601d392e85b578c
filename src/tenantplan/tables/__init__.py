"""The main database's reconciled tables, described once: readers, statements and kinds all use these."""
