"""The service killed at every step, again and again, and nothing lost."""
