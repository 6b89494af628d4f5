"""What we are compared with, where it is more than a library."""
