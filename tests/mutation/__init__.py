"""Damaged uploads by the thousand: `make mutate`."""
