"""Pure values that every stage passes on. Nothing here may read a file, a variable or a database."""
