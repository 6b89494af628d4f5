"""Programs for the developers of the project."""
