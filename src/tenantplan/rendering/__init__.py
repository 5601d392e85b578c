"""Plans and reports for people. Everything shown passes `safe`, and nothing here may hold or show a secret."""
