"""What is held about a user: told, and erased."""
