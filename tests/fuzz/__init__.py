"""Fuzzing the kernel: `make fuzz`."""
