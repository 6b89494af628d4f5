"""One aggregation, by this project and by others, side by side."""
