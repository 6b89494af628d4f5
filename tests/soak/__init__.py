"""Hours of mixed work and kills on one real server: `make soak MINUTES=30`."""
