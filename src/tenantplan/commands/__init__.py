"""What a command does that is neither plan nor apply."""
