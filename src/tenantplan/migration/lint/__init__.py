"""What is risky in a migration."""
