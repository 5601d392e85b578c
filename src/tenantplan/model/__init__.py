"""Pure values that every stage passes on. Nothing here may read a file, a clock, a variable or a database."""
